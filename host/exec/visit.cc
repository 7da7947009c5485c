// SPDX-License-Identifier: Apache-2.0
#include "exec/visit.h"

#include <algorithm>

namespace forager::exec {

bool SeqFile::write(std::span<const std::byte> bytes) {
  if (bytes.size() >= kBytes - count_) {
    count_ = kBytes;
    return false;
  }
  std::ranges::copy(bytes, bytes_.get() + count_);
  count_ += bytes.size();
  return true;
}

}  // namespace forager::exec

// SPDX-License-Identifier: Apache-2.0
#include "exec/host_helpers.h"

namespace forager::exec {

const std::bitset<512>& host_helpers() {
  static const std::bitset<512> kIds = [] {
    std::bitset<512> ids;
#define FORAGER_HOST_HELPER(name) ids.set(static_cast<std::size_t>(HelperId::name));
#include "exec/host_helpers.def"
    return ids;
  }();
  return kIds;
}

}  // namespace forager::exec

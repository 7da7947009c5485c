// SPDX-License-Identifier: Apache-2.0
#include "syscall/log.h"

#include <cerrno>
#include <climits>
#include <string>

namespace forager::syscall {
namespace {

constexpr std::uint32_t kKnownLevels = 1 | 2 | 4 | 8;  // BPF_LOG_LEVEL1, LEVEL2, STATS, FIXED
constexpr std::uint32_t kFixed = 8;

}  // namespace

long LogBuffer::check() const {
  if ((buffer == 0) != (size == 0)) return -EINVAL;
  if (buffer != 0 && level == 0) return -EINVAL;
  return (level & ~kKnownLevels) != 0 || size > UINT_MAX >> 2 ? -EINVAL : 0;
}

long LogBuffer::write(std::string_view text) const {
  if (level == 0) return 0;
  const auto needed = static_cast<std::uint32_t>(text.size() + 1);
  if (true_size != 0 && put_user(true_size, needed) != 0) return -EFAULT;
  if (buffer == 0) return 0;
  const bool fits = needed <= size;
  if (!fits) text = (level & kFixed) != 0 ? text.substr(0, size - 1) : text.substr(text.size() - (size - 1));
  const std::string terminated(text);
  if (const long error = copy_to_user(buffer, terminated.c_str(), terminated.size() + 1); error != 0) return error;
  return fits ? 0 : -ENOSPC;
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// Copies between a caller's memory and ours, as the kernel's copy_from_user and copy_to_user: an address that the
// caller may not touch gives -EFAULT and nothing worse. Addresses come out of bpf_attr and are hostile.
//
// Tested by: tests/unit/syscall_user_memory_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace forager::syscall {

using UserAddress = std::uint64_t;

// A value, or a negative errno.
template <class T>
using Errno = std::expected<T, long>;

// 0 or -EFAULT. Nothing is copied where an address is bad. Zero bytes may come from and go anywhere.
[[nodiscard]] long copy_from_user(void* to, UserAddress from, std::size_t bytes);
[[nodiscard]] long copy_to_user(UserAddress to, const void* from, std::size_t bytes);

[[nodiscard]] Errno<std::vector<std::byte>> read_user(UserAddress from, std::size_t bytes);

// A string of at most limit - 1 bytes; a longer one is cut, as by strncpy_from_user.
[[nodiscard]] Errno<std::string> read_user_string(UserAddress from, std::size_t limit);

// 0 if the bytes from `known` up to `given` are all zero, -E2BIG if not: a structure from a later kernel asks for what
// this one does not know. More than a page is -E2BIG unseen (bpf_check_uarg_tail_zero).
[[nodiscard]] long check_tail_zero(UserAddress structure, std::size_t known, std::size_t given);

template <class T>
[[nodiscard]] long put_user(UserAddress to, const T& value) {
  return copy_to_user(to, &value, sizeof value);
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// The log buffer of BPF_PROG_LOAD and BPF_BTF_LOAD, with the rules of kernel/bpf/log.c since Linux 6.4: what does not
// fit loses its beginning (with BPF_LOG_FIXED, its end), the result is then -ENOSPC, and the true size is reported.
//
// Tested by: tests/unit/syscall_prog_test.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "syscall/user_memory.h"

namespace forager::syscall {

struct LogBuffer {
  std::uint32_t level = 0;
  std::uint32_t size = 0;
  UserAddress buffer = 0;
  UserAddress true_size = 0;  // where the size goes; 0 if the caller's attributes end before it

  // -EINVAL for a combination that the kernel refuses.
  [[nodiscard]] long check() const;
  // Hands over the text. -ENOSPC if it did not fit, -EFAULT if the buffer is bad.
  [[nodiscard]] long write(std::string_view text) const;
};

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "cli/messages.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>

#include "syscall/messages.h"

namespace forager::cli {
namespace {

int print(libbpf_print_level, const char* format, va_list arguments) {
  return std::vfprintf(stderr, format, arguments);
}

}  // namespace

void show_libbpf_messages(bool shown) {
  ::libbpf_set_print(shown ? print : nullptr);
  syscall::observe_messages(shown ? print : nullptr);
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// BPF_BTF_LOAD.
#include <cerrno>

#include "syscall/btf.h"
#include "syscall/commands.h"
#include "syscall/log.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxBytes = 16 * 1024 * 1024;  // Linux's BTF_MAX_SIZE

LogBuffer log_of(const Call& call) {
  constexpr std::size_t kTrueSize = offsetof(bpf_attr, btf_log_level) + sizeof(__u32);  // a field since Linux 6.4
  return {.level = call.attr.btf_log_level,
          .size = call.attr.btf_log_size,
          .buffer = call.attr.btf_log_buf,
          .true_size = call.size >= kTrueSize + sizeof(__u32) ? call.user_attr + kTrueSize : 0};
}

}  // namespace

long btf_load(const Call& call) {
  const LogBuffer log = log_of(call);
  if (call.attr.btf_size > kMaxBytes) return -E2BIG;
  if (const long error = log.check(); error != 0) return error;
  auto bytes = read_user(call.attr.btf, call.attr.btf_size);
  if (!bytes) return bytes.error();
  std::string text;
  auto parsed = parse_btf(*bytes, text);
  if (const long error = log.write(text); error != 0) return error;
  if (!parsed) return parsed.error();
  return call.fds().install(call.runtime().add_btf(std::move(*bytes), std::move(*parsed)));
}

}  // namespace forager::syscall

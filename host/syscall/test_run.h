// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN (net/bpf/test_run.c), on the backend that the runtime is set to: what the kinds of programs share.
// test_run.cc has the table of kinds, and one file each has what its kind takes and gives back.
//
// Tested by: tests/unit/syscall_prog_test.cc, syscall_test_run_test.cc, helpers_skb_kernel_test.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "exec/frame.h"
#include "runtime/objects.h"
#include "runtime/session.h"
#include "syscall/commands.h"

namespace forager::syscall {

using TestRunFn = long (*)(const Call& call, std::shared_ptr<runtime::ProgramObject> program);

// test_run_xdp.cc, test_run_skb.cc, test_run_sk_lookup.cc, test_run_context.cc. 0 or a negative errno.
[[nodiscard]] long test_run_xdp(const Call& call, std::shared_ptr<runtime::ProgramObject> program);
[[nodiscard]] long test_run_skb(const Call& call, std::shared_ptr<runtime::ProgramObject> program);
[[nodiscard]] long test_run_sk_lookup(const Call& call, std::shared_ptr<runtime::ProgramObject> program);
[[nodiscard]] long test_run_raw_tracepoint(const Call& call, std::shared_ptr<runtime::ProgramObject> program);
[[nodiscard]] long test_run_syscall(const Call& call, std::shared_ptr<runtime::ProgramObject> program);

inline constexpr std::uint32_t kTestIfindex = 1;  // loopback: where test packets arrive, if nothing else is said

// What the program's runs left: its r0 and the time of one.
struct TestResult {
  std::uint32_t retval = 0;
  std::uint32_t duration_ns = 0;
};

// The program on the backend that the runtime is set to, on a lane of per-CPU maps.
[[nodiscard]] Errno<runtime::Session> open_session(const Call& call, std::shared_ptr<runtime::ProgramObject> program,
                                                   unsigned cpu = 0);
// What a diagnostic of a backend or a stopped program is as an errno, negative.
[[nodiscard]] long error_of(const Diagnostic& diagnostic);
// Nanoseconds of one of so many runs, as far as the field holds them.
[[nodiscard]] std::uint32_t average(std::uint64_t nanoseconds, std::uint32_t times);

struct Repetition {
  unsigned cpu = 0;                         // lane of per-CPU maps
  void (*prepare)(exec::Frame&) = nullptr;  // before each run
};
// Runs the program on the frame, `test.repeat` times: the same frame again and again, as the kernel does it, so that
// changes to the packet add up. A program that is stopped gives its errno.
[[nodiscard]] Errno<TestResult> run_repeatedly(const Call& call, std::shared_ptr<runtime::ProgramObject> program,
                                               exec::Frame& frame, const Repetition& how = {});

// bpf_test_finish(): a short buffer gets what fits, and -ENOSPC; without a size hint all is copied. Of the data the
// last `fragments` bytes are in fragments; a buffer shorter than these gets nothing, and the other results are not
// told.
[[nodiscard]] long write_test_result(const Call& call, std::span<const std::byte> data, const TestResult& result,
                                     std::uint32_t fragments = 0);

// bpf_ctx_init(): a caller that wants a context out has one in, if only of zeros; nothing if neither is asked for.
template <class T>
[[nodiscard]] Errno<std::optional<T>> read_test_context(const Call& call) {
  const auto& test = call.attr.test;
  if (test.ctx_in == 0 && test.ctx_out == 0) return std::nullopt;
  T context{};
  if (test.ctx_in == 0) return context;
  if (const long error = check_tail_zero(test.ctx_in, sizeof context, test.ctx_size_in); error != 0) {
    return std::unexpected(error);
  }
  const std::size_t bytes = std::min<std::size_t>(sizeof context, test.ctx_size_in);
  if (const long error = copy_from_user(&context, test.ctx_in, bytes); error != 0) return std::unexpected(error);
  return context;
}

// bpf_ctx_finish().
template <class T>
[[nodiscard]] long write_test_context(const Call& call, const std::optional<T>& context) {
  const auto& test = call.attr.test;
  if (!context || test.ctx_out == 0) return 0;
  constexpr std::uint32_t kBytes = sizeof(T);
  const std::uint32_t copied = std::min(kBytes, test.ctx_size_out);
  if (const long error = copy_to_user(test.ctx_out, &*context, copied); error != 0) return error;
  if (put_user(call.user_attr + offsetof(bpf_attr, test.ctx_size_out), kBytes) != 0) return -EFAULT;
  return copied < kBytes ? -ENOSPC : 0;
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "syscall/test_run.h"

#include <cerrno>

namespace forager::syscall {
namespace {

// The programs that Linux test-runs and we do too. Those of socket maps and segment routing it
// runs nowhere but there.
struct Kind {
  isa::ProgType type;
  TestRunFn run;
};
constexpr Kind kKinds[] = {
    {isa::ProgType::xdp, test_run_xdp},
    {isa::ProgType::socket_filter, test_run_skb},
    {isa::ProgType::sched_cls, test_run_skb},
    {isa::ProgType::sched_act, test_run_skb},
    {isa::ProgType::cgroup_skb, test_run_skb},
    {isa::ProgType::lwt_in, test_run_skb},
    {isa::ProgType::lwt_out, test_run_skb},
    {isa::ProgType::lwt_xmit, test_run_skb},
    {isa::ProgType::sk_lookup, test_run_sk_lookup},
    {isa::ProgType::raw_tracepoint, test_run_raw_tracepoint},
    {isa::ProgType::syscall, test_run_syscall},
};

bool bad_pair(std::uint64_t address, std::uint32_t size) { return (address == 0) != (size == 0); }

template <class T>
long put(const Call& call, std::size_t field, const T& value) {
  return put_user(call.user_attr + field, value);
}

// A short buffer is filled from its end: fragments stand there in full, behind what then fits of the linear part.
long write_test_data(const Call& call, std::span<const std::byte> data, std::uint32_t fragments, std::uint32_t room) {
  const UserAddress to = call.attr.test.data_out;
  if (to == 0) return 0;
  if (room < fragments) return -ENOSPC;
  const std::uint32_t linear = room - fragments;
  const long error = copy_to_user(to, data.data(), linear);
  return error != 0 ? error : copy_to_user(to + linear, data.last(fragments).data(), fragments);
}

}  // namespace

long error_of(const Diagnostic& diagnostic) { return diagnostic.error != 0 ? -diagnostic.error : -EIO; }

std::uint32_t average(std::uint64_t nanoseconds, std::uint32_t times) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(nanoseconds / times, UINT32_MAX));
}

Errno<runtime::Session> open_session(const Call& call, std::shared_ptr<runtime::ProgramObject> program, unsigned cpu) {
  runtime::SessionOptions options = call.runtime().session_options();
  options.device.cpu = cpu;
  auto session = runtime::Session::open(call.runtime().environment, std::move(program), options);
  if (!session) return std::unexpected(error_of(session.error()));
  return std::move(*session);
}

Errno<TestResult> run_repeatedly(const Call& call, std::shared_ptr<runtime::ProgramObject> program, exec::Frame& frame,
                                 const Repetition& how) {
  auto session = open_session(call, std::move(program), how.cpu);
  if (!session) return std::unexpected(session.error());
  const std::uint32_t times = std::max(call.attr.test.repeat, 1U);
  std::uint64_t busy_ns = 0;
  for (std::uint32_t i = 0; i < times; ++i) {
    if (how.prepare != nullptr) how.prepare(frame);
    const auto report = session->run({&frame, 1});
    if (!report) return std::unexpected(error_of(report.error()));
    if (frame.results().trap) return std::unexpected(error_of(*frame.results().trap));
    busy_ns += report->busy_ns;
  }
  return TestResult{.retval = static_cast<std::uint32_t>(frame.return_value), .duration_ns = average(busy_ns, times)};
}

long write_test_result(const Call& call, std::span<const std::byte> data, const TestResult& result,
                       std::uint32_t fragments) {
  const auto& test = call.attr.test;
  const auto size = static_cast<std::uint32_t>(data.size());
  const bool cut = test.data_size_out != 0 && size > test.data_size_out;
  const long error = write_test_data(call, data, fragments, cut ? test.data_size_out : size);
  if (error != 0) return error;
  if (put(call, offsetof(bpf_attr, test.data_size_out), size) != 0 ||
      put(call, offsetof(bpf_attr, test.retval), result.retval) != 0 ||
      put(call, offsetof(bpf_attr, test.duration), result.duration_ns) != 0) {
    return -EFAULT;
  }
  return cut ? -ENOSPC : 0;
}

long prog_test_run(const Call& call) {
  const auto& test = call.attr.test;
  if (bad_pair(test.ctx_in, test.ctx_size_in) || bad_pair(test.ctx_out, test.ctx_size_out)) return -EINVAL;
  auto program = call.fds().find<runtime::ProgramObject>(static_cast<int>(test.prog_fd));
  if (!program) return program.error();
  const auto* kind = std::ranges::find(kKinds, (*program)->type(), &Kind::type);
  return kind == std::end(kKinds) ? -kNotSupported : kind->run(call, std::move(*program));
}

}  // namespace forager::syscall

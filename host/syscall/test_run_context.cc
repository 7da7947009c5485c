// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of programs that get no packet, but a context as it comes (net/bpf/test_run.c): raw tracepoints
// (bpf_prog_test_run_raw_tp), whose arguments it is, and SYSCALL programs (bpf_prog_test_run_syscall), whose memory it
// is, and which is given back. The CPU that BPF_F_TEST_RUN_ON_CPU asks for is the lane of per-CPU maps.
//
// For the other types that see no packet Linux has no such test run; events run them (`forager run --events`).
#include <cerrno>
#include <cstring>

#include "isa/isa.h"
#include "syscall/test_run.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxArguments = 12 * 8;  // MAX_BPF_FUNC_ARGS, 8 bytes each
constexpr std::uint32_t kMaxMemory = UINT16_MAX;

// Bytes of the context that the program may reach: Linux's prog->aux->max_ctx_offset.
std::int64_t context_extent(const verifier::VerifiedProgram& verified) {
  std::int64_t extent = 0;
  for (std::size_t i = 0; i < verified.facts().size(); ++i) {
    const verifier::AccessFact& access = verified.facts()[i].access;
    if (access.region != verifier::Region::context) continue;
    const isa::Row& row = isa::row(verified.program().instructions()[i].op);
    extent = std::max<std::int64_t>(extent, access.offset_max + row.width / 8);
  }
  return extent;
}

// What neither of them has.
long check(const Call& call, const verifier::VerifiedProgram& program, std::uint32_t max_bytes) {
  const auto& test = call.attr.test;
  const bool strange = test.data_in != 0 || test.data_out != 0 || test.ctx_out != 0 || test.duration != 0 ||
                       test.repeat != 0 || test.batch_size != 0;
  return strange || test.ctx_size_in < context_extent(program) || test.ctx_size_in > max_bytes ? -EINVAL : 0;
}

long check_cpu(const Call& call) {
  const auto& test = call.attr.test;
  const bool names_cpu = (test.flags & BPF_F_TEST_RUN_ON_CPU) != 0;
  if (!names_cpu) return test.cpu != 0 ? -EINVAL : 0;
  return test.cpu >= call.runtime().environment.cpus ? -ENXIO : 0;
}

long put_retval(const Call& call, const TestResult& result) {
  return put_user(call.user_attr + offsetof(bpf_attr, test.retval), result.retval) == 0 ? 0 : -EFAULT;
}

}  // namespace

long test_run_raw_tracepoint(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  const auto& test = call.attr.test;
  if (const long error = check(call, *program->verified, kMaxArguments); error != 0) return error;
  const auto arguments = read_user(test.ctx_in, test.ctx_size_in);
  if (!arguments) return arguments.error();
  if (const long error = check_cpu(call); error != 0) return error;
  exec::Frame frame;
  std::ranges::copy(*arguments, frame.context.begin());
  const auto result = run_repeatedly(call, std::move(program), frame, {.cpu = test.cpu});
  return result ? put_retval(call, *result) : result.error();
}

long test_run_syscall(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  const auto& test = call.attr.test;
  if (test.flags != 0) return -EINVAL;
  if (const long error = check(call, *program->verified, kMaxMemory); error != 0) return error;
  const auto memory = read_user(test.ctx_in, test.ctx_size_in);
  if (!memory) return memory.error();
  exec::Frame frame = exec::Frame::raw(*memory);
  const auto result = run_repeatedly(call, std::move(program), frame);
  if (!result) return result.error();
  if (const long error = put_retval(call, *result); error != 0) return error;
  return copy_to_user(test.ctx_in, frame.packet().data(), frame.packet().size());
}

}  // namespace forager::syscall

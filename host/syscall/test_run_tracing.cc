// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of raw tracepoints (net/bpf/test_run.c bpf_prog_test_run_raw_tp): the arguments come in as the
// context, and nothing but r0 comes out. The CPU that BPF_F_TEST_RUN_ON_CPU asks for is the lane of per-CPU maps.
//
// For the other types that see no packet Linux has no test run; events run them (`forager run --events`).
#include <cerrno>
#include <cstring>

#include "isa/isa.h"
#include "runtime/session.h"
#include "syscall/test_run.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxArguments = 12 * 8;  // MAX_BPF_FUNC_ARGS, 8 bytes each

// Bytes of the context that the program may read: Linux's prog->aux->max_ctx_offset.
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

long check(const Call& call, const verifier::VerifiedProgram& program) {
  const auto& test = call.attr.test;
  const bool strange = test.data_in != 0 || test.data_out != 0 || test.ctx_out != 0 || test.duration != 0 ||
                       test.repeat != 0 || test.batch_size != 0;
  if (strange || test.ctx_size_in < context_extent(program) || test.ctx_size_in > kMaxArguments) return -EINVAL;
  const bool names_cpu = (test.flags & BPF_F_TEST_RUN_ON_CPU) != 0;
  if (!names_cpu && test.cpu != 0) return -EINVAL;
  return names_cpu && test.cpu >= call.runtime().environment.cpus ? -ENXIO : 0;
}

}  // namespace

long test_run_raw_tracepoint(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  const auto& test = call.attr.test;
  if (const long error = check(call, *program->verified); error != 0) return error;
  exec::Frame frame;
  if (test.ctx_size_in != 0) {
    const long error = copy_from_user(frame.context.data(), test.ctx_in, test.ctx_size_in);
    if (error != 0) return error;
  }
  const auto result = run_repeatedly(call, std::move(program), frame, test.cpu);
  if (!result) return result.error();
  return put_user(call.user_attr + offsetof(bpf_attr, test.retval), result->retval) == 0 ? 0 : -EFAULT;
}

}  // namespace forager::syscall

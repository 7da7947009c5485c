// SPDX-License-Identifier: Apache-2.0
//
// What a backend's capabilities say of a program, and the verdict of a frame whose program was stopped.
#include "exec/blockers.h"

#include "exec/verdict.h"
#include "exec_testing.h"

namespace forager::exec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::make_array;
using testing::verified;

std::vector<std::string> texts(const std::vector<Diagnostic>& found) {
  std::vector<std::string> out;
  out.reserve(found.size());
  for (const Diagnostic& blocker : found) out.push_back(blocker.text());
  return out;
}

Capabilities everything() {
  Capabilities able;
  able.ops.set();
  able.helpers.set();
  able.map_types.set();
  able.program_types = {isa::ProgType::xdp};
  return able;
}

constexpr const char* kText =
    "r1 = map[0][0]+0 ll\nr6 = *(u64 *)(r1 +0)\ncall bpf_ktime_get_ns\ncall bpf_ktime_get_ns\nr0 *= 3\nr0 *= 5\nexit";

TEST(Blockers, NoneWhereAllIsThere) {
  EXPECT_THAT(blockers(*verified({.maps = {make_array(8)}}, kText), everything()), IsEmpty());
}

TEST(Blockers, EachKindIsNamedOnceAtItsFirstUse) {
  Capabilities able = everything();
  able.helpers.reset(5);
  able.ops.reset(static_cast<std::size_t>(isa::Op::mul64_imm));
  able.map_types.reset(static_cast<std::size_t>(isa::MapType::array));
  able.program_types = {isa::ProgType::raw_memory};
  able.max_slots = 4;
  const auto found = blockers(*verified({.maps = {make_array(8)}}, kText), able);
  EXPECT_THAT(texts(found),
              ElementsAre("program type xdp", "program too long, in instruction slots; limit 4, asked 8",
                          "map values of type array", "helper bpf_ktime_get_ns, at instruction 3 (test.c:7: the line;)",
                          "instruction mul64_imm, at instruction 5 (test.c:7: the line;)"));
  EXPECT_EQ(found[0].kind, ErrorKind::unsupported);
  EXPECT_EQ(found[1].kind, ErrorKind::limit);
}

TEST(Blockers, AMachineThatIsMissingComesFirst) {
  Capabilities able = everything();
  able.available = false;
  able.reason = "no such thing here";
  EXPECT_THAT(texts(blockers(*verified({}, "r0 = 1\nexit"), able)), ElementsAre("not available: no such thing here"));
}

TEST(SafeVerdict, LetsNothingThrough) {
  EXPECT_EQ(safe_verdict(isa::ProgType::xdp), 0U);             // XDP_ABORTED
  EXPECT_EQ(safe_verdict(isa::ProgType::sched_cls), 2U);       // TC_ACT_SHOT
  EXPECT_EQ(safe_verdict(isa::ProgType::lwt_xmit), 2U);        // BPF_DROP
  EXPECT_EQ(safe_verdict(isa::ProgType::flow_dissector), 2U);  // BPF_DROP
  EXPECT_EQ(safe_verdict(isa::ProgType::cgroup_device), 0U);   // deny
  EXPECT_EQ(safe_verdict(isa::ProgType::raw_memory), 0U);
}

}  // namespace
}  // namespace forager::exec

// SPDX-License-Identifier: Apache-2.0
//
// Structural verification: each rule's yes and no, and the facts that blocks prove.
#include <cerrno>

#include "program_testing.h"
#include "verifier/verify.h"

namespace forager::verifier {
namespace {

using isa::MapType;
using isa::ProgType;
using program::kNone;
using program::MapSpec;
using program::Source;
using program::testing::verdict;
using Verified = std::shared_ptr<const VerifiedProgram>;

const std::vector<MapSpec>& maps() {
  static const std::vector<MapSpec> kMaps = {
      {.type = MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "flows"},
      {.type = MapType::array, .key_size = 4, .value_size = 64, .max_entries = 1, .name = "bss"},
      {.type = MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 8, .name = "jumps"},
      {.type = MapType::sockhash, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "socks"},
      {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1, .flags = 1U << 7, .name = "rodata"},
  };
  return kMaps;
}

struct Given {
  ProgType type = ProgType::xdp;
  bool gpl = true;
};

Result<Verified> verify_text(std::string_view text, Given given = {}, const Options& options = {},
                             Report* report = nullptr) {
  Source source;
  source.type = given.type;
  source.gpl_compatible = given.gpl;
  source.maps = maps();
  std::vector<std::string> names;
  for (const MapSpec& map : maps()) names.push_back(map.name);
  source.slots = program::testing::slots_of(text, names);
  auto decoded = program::Program::decode(std::move(source));
  EXPECT_TRUE(decoded) << decoded.error().text();
  return verify(std::move(*decoded), options, report);
}

TEST(Verify, AcceptsAMinimalProgram) {
  const auto verified = verify_text("r0 = 2\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  EXPECT_EQ((*verified)->facts().size(), 2U);
  EXPECT_EQ((*verified)->map_uses().size(), maps().size());
}

TEST(Verify, Helpers) {
  EXPECT_EQ(verdict(verify_text("call bpf_ktime_get_ns\nexit")), "accepted");
  EXPECT_EQ(verdict(verify_text("r0 = 0\ncall 195896080\nexit")), "rejected @1: invalid func unknown#195896080");
  EXPECT_EQ(verdict(verify_text("call bpf_redirect\nexit", {.type = ProgType::kprobe})),
            "rejected @0: program of type kprobe cannot use helper bpf_redirect#23");
  EXPECT_EQ(verdict(verify_text("call bpf_trace_printk\nexit")), "accepted");
  EXPECT_EQ(verdict(verify_text("call bpf_trace_printk\nexit", {.gpl = false})),
            "rejected @0: cannot call GPL-restricted function bpf_trace_printk from non-GPL compatible program");
}

TEST(Verify, UnknownProgramTypes) {
  EXPECT_EQ(verdict(verify_text("exit", {.type = static_cast<ProgType>(0)})), "rejected: unknown program type 0");
  EXPECT_EQ(verdict(verify_text("exit", {.type = static_cast<ProgType>(4711)})), "rejected: unknown program type 4711");
}

TEST(Verify, MapsMustBeOfATypeThatRuns) {
  const auto refused = verify_text("r1 = map[socks] ll\nr0 = 0\nexit");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_TRUE(refused.error().message.starts_with("map 'socks' (sockhash): not built")) << refused.error().message;
}

TEST(Verify, MapArgumentsMustSuitTheirHelper) {
  EXPECT_EQ(verdict(verify_text("r1 = map[flows] ll\ncall bpf_map_lookup_elem\nexit")), "accepted");
  EXPECT_EQ(verdict(verify_text("r1 = map[jumps] ll\ncall bpf_map_lookup_elem\nexit")),
            "rejected @2: cannot pass map 'jumps' (prog_array) into func bpf_map_lookup_elem#1");
  EXPECT_EQ(verdict(verify_text("r2 = map[flows] ll\ncall bpf_tail_call\nexit")),
            "rejected @2: cannot pass map 'flows' (hash) into func bpf_tail_call#12");
}

TEST(Verify, DirectMapValues) {
  EXPECT_EQ(verdict(verify_text("r1 = map[bss][0]+63 ll\nr0 = 0\nexit")), "accepted");
  EXPECT_EQ(verdict(verify_text("r1 = map[bss][0]+64 ll\nr0 = 0\nexit")),
            "rejected @0: invalid access to map value pointer, value_size=64 off=64");
  EXPECT_EQ(verdict(verify_text("r1 = map[flows][0]+0 ll\nr0 = 0\nexit")),
            "rejected @0: direct value access on map 'flows' (hash) is not supported: it needs an array of one entry");
}

TEST(Verify, PacketLoadsBelongToSocketFiltersAndClassifiers) {
  EXPECT_EQ(verdict(verify_text("r0 = *(u8 *)skb[4]\nexit", {.type = ProgType::sched_cls})), "accepted");
  EXPECT_EQ(verdict(verify_text("r0 = *(u8 *)skb[4]\nexit")),
            "rejected @0: BPF_LD_[ABS|IND] instructions not allowed for programs of type xdp");
}

TEST(Verify, AccessesToTheFrame) {
  EXPECT_EQ(verdict(verify_text("*(u64 *)(r10 -512) = 0\n*(u8 *)(r10 -1) = 0\nexit")), "accepted");
  EXPECT_EQ(verdict(verify_text("*(u64 *)(r10 -520) = 0\nexit")), "rejected @0: invalid stack access off=-520 size=8");
  EXPECT_EQ(verdict(verify_text("*(u64 *)(r10 +0) = 0\nexit")), "rejected @0: invalid stack access off=0 size=8");
  EXPECT_EQ(verdict(verify_text("r2 = r10\nr2 += -6\n*(u32 *)(r2 +0) = 0\nexit")),
            "rejected @2: misaligned stack access off=-6 size=4");
  EXPECT_EQ(verify_text("*(u64 *)(r10 +0) = 0\nexit").error().error, EACCES);
}

TEST(Verify, DeadCodeIsRefusedAsInLinux) {
  EXPECT_EQ(verdict(verify_text("r0 = 0\ngoto +1\nr0 = 1\nexit")), "rejected @2: unreachable insn 2");
  EXPECT_EQ(verdict(verify_text("goto out\ncall f\nout: exit\nf: exit")), "rejected @1: unreachable insn 1");
}

TEST(Verify, BranchesOnConstantsHideWhatIsNeverRun) {
  // How libbpf guards what the running kernel lacks: a poisoned call behind a constant.
  const auto verified = verify_text("r1 = 0\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto facts = (*verified)->facts();
  EXPECT_EQ(facts[1].branch, Branch::always);
  EXPECT_FALSE(facts[2].reachable);
  EXPECT_TRUE(facts[3].reachable);
  EXPECT_EQ(verdict(verify_text("r1 = 1\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit")),
            "rejected @2: invalid func unknown#195896080");
  EXPECT_EQ(verdict(verify_text("if r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit")),
            "rejected @1: invalid func unknown#195896080");
}

TEST(Verify, CallDepthAndRecursion) {
  const auto chain = [](int frames) {
    std::string text;
    for (int i = 1; i < frames; ++i) text += "f" + std::to_string(i - 1) + ": call f" + std::to_string(i) + "\nexit\n";
    return text + "f" + std::to_string(frames - 1) + ": r0 = 0\nexit";
  };
  EXPECT_EQ(verdict(verify_text(chain(8))), "accepted");
  const auto deep = verify_text(chain(9));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().text(), "the call stack is too deep, at instruction 0; limit 8, asked 9");
  EXPECT_EQ(deep.error().error, E2BIG);
  EXPECT_EQ(verdict(verify_text("call f\nexit\nf: call g\nexit\ng: call f\nexit")),
            "rejected @4: recursive call of subprog_2");
  EXPECT_EQ(verdict(verify_text("main: r0 = 0\ncall main\nexit")), "rejected @1: recursive call of main");
  EXPECT_EQ(verdict(verify_text("call f\nexit\nf: r2 = subprog[f] ll\nexit")),
            "rejected @2: recursive call of subprog_2");
  EXPECT_EQ(verdict(verify_text("call f\ncall g\ncall g\nexit\nf: call g\nexit\ng: r0 = 0\nexit")), "accepted");
}

TEST(Verify, FactsOfCalls) {
  const auto verified = verify_text(
      "r6 = map[flows] ll\nr1 = r6\ncall bpf_map_lookup_elem\n"  // seen through the copy
      "call bpf_map_lookup_elem\n"                               // r1 is gone
      "r1 = r6\nif r0 == 0 goto +0\ncall bpf_map_lookup_elem\n"  // another block
      "exit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto facts = (*verified)->facts();
  EXPECT_EQ(facts[2].call.helper, 1U);
  EXPECT_EQ(facts[2].call.map, 0U);
  EXPECT_EQ(facts[3].call.map, kNone);
  EXPECT_EQ(facts[6].call.helper, 1U);
  EXPECT_EQ(facts[6].call.map, kNone);
}

TEST(Verify, FactsOfAccesses) {
  const auto verified = verify_text(
      "r2 = r10\nr2 += -8\n*(u32 *)(r2 +4) = 0\n"
      "r3 = map[bss][0]+16 ll\nr4 = *(u64 *)(r3 +48)\nr4 = *(u64 *)(r3 +41)\n"
      "r3 = *(u64 *)(r3 +0)\nr4 = *(u32 *)(r3 +0)\n"
      "exit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto access = [&](std::size_t at) { return (*verified)->facts()[at].access; };
  EXPECT_EQ(access(2).region, Region::stack);
  EXPECT_EQ(access(2).offset_min, 508);
  EXPECT_EQ(access(2).offset_max, 508);
  EXPECT_TRUE(access(2).in_bounds && access(2).aligned);
  EXPECT_EQ(access(4).region, Region::map_value);
  EXPECT_EQ(access(4).map, 1U);
  EXPECT_EQ(access(4).offset_min, 64);
  EXPECT_FALSE(access(4).in_bounds);
  EXPECT_EQ(access(5).offset_min, 57);
  EXPECT_FALSE(access(5).in_bounds || access(5).aligned);
  EXPECT_TRUE(access(6).in_bounds);
  EXPECT_EQ(access(7).region, Region::unknown);
}

TEST(Verify, WritesForgetWhatARegisterHeld) {
  for (const char* write : {"r6 = *(u64 *)(r10 -8)", "r6 = 0", "r6 += r1", "r6 = -r6", "w6 = w6", "r6 = be16 r6",
                            "r6 = atomic64_fetch_add((u64 *)(r10 -8), r6)", "r6 = 5 ll"}) {
    const auto verified = verify_text(std::string("r6 = map[flows] ll\n") + write + "\nr1 = r6\ncall 1\nexit");
    ASSERT_TRUE(verified) << verified.error().text();
    EXPECT_EQ((*verified)->facts()[3].call.map, kNone) << write;
  }
  const auto exchanged = verify_text(
      "r0 = map[flows] ll\nr6 = r0\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r6)\nr1 = r0\ncall 1\nr1 = r6\ncall "
      "1\nexit");
  ASSERT_TRUE(exchanged) << exchanged.error().text();
  EXPECT_EQ((*exchanged)->facts()[4].call.map, kNone);
  EXPECT_EQ((*exchanged)->facts()[6].call.map, 0U);
}

TEST(Verify, BranchFactsFollowTheWidth) {
  const auto branch = [](std::string_view condition) {
    const auto verified = verify_text("r1 = 0x100000001 ll\nr2 = 1\nif " + std::string(condition) + " goto +0\nexit");
    EXPECT_TRUE(verified);
    return (*verified)->facts()[2].branch;
  };
  EXPECT_EQ(branch("r1 == r2"), Branch::never);
  EXPECT_EQ(branch("w1 == w2"), Branch::always);
  EXPECT_EQ(branch("r1 > 1"), Branch::always);
  EXPECT_EQ(branch("w1 > 1"), Branch::never);
  EXPECT_EQ(branch("r2 s> 0xffffffff"), Branch::always);
  EXPECT_EQ(branch("r2 > 0xffffffff"), Branch::never);
  EXPECT_EQ(branch("r3 == 1"), Branch::both);
}

TEST(Verify, MapUses) {
  const auto verified = verify_text("r1 = map[flows] ll\nr2 = map[rodata][0]+0 ll\nr0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  const std::vector<MapUse> uses((*verified)->map_uses().begin(), (*verified)->map_uses().end());
  EXPECT_EQ(uses, (std::vector{MapUse::read_write, MapUse::unused, MapUse::unused, MapUse::unused, MapUse::read_only}));
}

TEST(Verify, LogNamesTheInstruction) {
  Report report;
  EXPECT_FALSE(verify_text("r0 = 0\ncall 195896080\nexit", {}, {.log_level = 1}, &report));
  EXPECT_EQ(report.log,
            "1: (85) call unknown#195896080\ninvalid func unknown#195896080\nprocessed 3 insns (limit 1000000)\n");
  EXPECT_EQ(report.processed_instructions, 3U);
  Report quiet;
  EXPECT_TRUE(verify_text("r0 = 0\nexit", {}, {}, &quiet));
  EXPECT_EQ(quiet.log, "");
}

}  // namespace
}  // namespace forager::verifier

// SPDX-License-Identifier: Apache-2.0
//
// What the verifier asks of a program's structure, calls and maps, each rule's yes and no, and the facts that single
// blocks prove. Refusals are compared up to where the explanation for people begins.
#include <cerrno>

#include <gmock/gmock.h>

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
using ::testing::StartsWith;
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
  EXPECT_THAT(verdict(verify_text("r0 = 0\ncall 195896080\nexit")),
              StartsWith("rejected @1: invalid func unknown#195896080"));
  EXPECT_THAT(verdict(verify_text("call bpf_redirect\nexit", {.type = ProgType::kprobe})),
              StartsWith("rejected @0: program of this type cannot use helper bpf_redirect#23: it is not for kprobe"));
  const std::string print = "*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -8\nr2 = 8\ncall bpf_trace_printk\nexit";
  EXPECT_EQ(verdict(verify_text(print)), "accepted");
  EXPECT_THAT(
      verdict(verify_text(print, {.gpl = false})),
      StartsWith("rejected @4: cannot call GPL-restricted function from non-GPL compatible program: bpf_trace_printk"));
}

TEST(Verify, UnknownProgramTypes) {
  EXPECT_THAT(verdict(verify_text("exit", {.type = static_cast<ProgType>(0)})),
              StartsWith("rejected: unknown program type 0"));
  EXPECT_THAT(verdict(verify_text("exit", {.type = static_cast<ProgType>(4711)})),
              StartsWith("rejected: unknown program type 4711"));
}

TEST(Verify, MapsMayBeOfTypesThatDoNotRun) {
  EXPECT_EQ(verdict(verify_text("r1 = map[socks] ll\nr0 = 0\nexit")), "accepted");
}

TEST(Verify, MapArgumentsMustSuitTheirHelper) {
  const std::string key = "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\n";
  EXPECT_EQ(verdict(verify_text(key + "r1 = map[flows] ll\ncall bpf_map_lookup_elem\nr0 = 0\nexit")), "accepted");
  EXPECT_THAT(verdict(verify_text(key + "r1 = map[jumps] ll\ncall bpf_map_lookup_elem\nr0 = 0\nexit")),
              StartsWith("rejected @5: cannot pass map_type 3 into func bpf_map_lookup_elem#1"));
  EXPECT_THAT(verdict(verify_text("r2 = map[flows] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit")),
              StartsWith("rejected @3: cannot pass map_type 1 into func bpf_tail_call#12"));
}

TEST(Verify, DirectMapValues) {
  EXPECT_EQ(verdict(verify_text("r1 = map[bss][0]+63 ll\nr0 = 0\nexit")), "accepted");
  EXPECT_THAT(verdict(verify_text("r1 = map[bss][0]+64 ll\nr0 = 0\nexit")),
              StartsWith("rejected @0: invalid access to map value pointer, value_size=64 off=64"));
  EXPECT_THAT(verdict(verify_text("r1 = map[flows][0]+0 ll\nr0 = 0\nexit")),
              StartsWith("rejected @0: direct value access on map 'flows' is not supported"));
}

TEST(Verify, PacketLoadsBelongToSocketFiltersAndClassifiers) {
  const std::string text = "r6 = r1\nr0 = *(u8 *)skb[4]\nexit";
  EXPECT_EQ(verdict(verify_text(text, {.type = ProgType::sched_cls})), "accepted");
  EXPECT_THAT(verdict(verify_text(text)),
              StartsWith("rejected @1: BPF_LD_[ABS|IND] instructions not allowed for this program type"));
}

TEST(Verify, AccessesToTheFrame) {
  EXPECT_EQ(verdict(verify_text("*(u64 *)(r10 -512) = 0\n*(u8 *)(r10 -1) = 0\nr0 = 0\nexit")), "accepted");
  EXPECT_THAT(verdict(verify_text("*(u64 *)(r10 -520) = 0\nr0 = 0\nexit")),
              StartsWith("rejected @0: invalid write to stack R10 off=-520 size=8"));
  EXPECT_THAT(verdict(verify_text("*(u64 *)(r10 +0) = 0\nr0 = 0\nexit")),
              StartsWith("rejected @0: invalid write to stack R10 off=0 size=8"));
  EXPECT_THAT(verdict(verify_text("r2 = r10\nr2 += -6\n*(u32 *)(r2 +0) = 0\nr0 = 0\nexit")),
              StartsWith("rejected @2: misaligned stack access"));
  EXPECT_EQ(verify_text("*(u64 *)(r10 +0) = 0\nr0 = 0\nexit").error().error, EACCES);
}

TEST(Verify, DeadCodeIsRefusedAsInLinux) {
  EXPECT_THAT(verdict(verify_text("r0 = 0\ngoto +1\nr0 = 1\nexit")), StartsWith("rejected @2: unreachable insn 2"));
  EXPECT_THAT(verdict(verify_text("goto out\ncall f\nout: exit\nf: exit")),
              StartsWith("rejected @1: unreachable insn 1"));
}

TEST(Verify, BranchesOnConstantsHideWhatIsNeverRun) {
  // How libbpf guards what the running kernel lacks: a poisoned call behind a constant.
  const auto verified = verify_text("r1 = 0\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto facts = (*verified)->facts();
  EXPECT_EQ(facts[1].branch, Branch::always);
  EXPECT_FALSE(facts[2].reachable);
  EXPECT_TRUE(facts[3].reachable);
  EXPECT_THAT(verdict(verify_text("r1 = 1\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit")),
              StartsWith("rejected @2: invalid func unknown#195896080"));
  EXPECT_THAT(verdict(verify_text("if r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit")),
              StartsWith("rejected @1: invalid func unknown#195896080"));
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
  EXPECT_THAT(deep.error().message, StartsWith("the call stack is too deep"));
  EXPECT_EQ(deep.error().limit, 8U);
  EXPECT_EQ(deep.error().asked, 9U);
  EXPECT_EQ(deep.error().error, E2BIG);
  EXPECT_THAT(verdict(verify_text("call f\nexit\nf: call g\nexit\ng: call f\nexit")),
              StartsWith("rejected @4: recursive call of subprog_2"));
  EXPECT_THAT(verdict(verify_text("main: r0 = 0\ncall main\nexit")), StartsWith("rejected @1: recursive call of main"));
  EXPECT_THAT(verdict(verify_text("call f\nexit\nf: r2 = subprog[f] ll\nexit")),
              StartsWith("rejected @2: recursive call of subprog_2"));
  EXPECT_EQ(verdict(verify_text("call f\ncall g\ncall g\nexit\nf: call g\nexit\ng: r0 = 0\nexit")), "accepted");
}

// Facts of the whole program's paths are in tests/verifier; here is what one block shows.
constexpr const char* kKey = "*(u32 *)(r10 -4) = 0\n";

TEST(Verify, FactsOfCalls) {
  const auto verified = verify_text(std::string(kKey) +
                                    "r6 = map[flows] ll\n"
                                    "r1 = r6\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"  // seen through the copy
                                    "call bpf_ktime_get_ns\n"
                                    "r0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto facts = (*verified)->facts();
  EXPECT_EQ(facts[5].call.helper, 1U);
  EXPECT_EQ(facts[5].call.map, 0U);
  EXPECT_EQ(facts[6].call.helper, 5U);
  EXPECT_EQ(facts[6].call.map, kNone);
}

TEST(Verify, FactsOfAccesses) {
  const auto verified = verify_text(
      "r2 = r10\nr2 += -8\n*(u32 *)(r2 +4) = 0\n"
      "r3 = map[bss][0]+16 ll\nr4 = *(u64 *)(r3 +40)\nr4 = *(u64 *)(r3 +33)\n"
      "r0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  const auto access = [&](std::size_t at) { return (*verified)->facts()[at].access; };
  EXPECT_EQ(access(2).region, Region::stack);
  EXPECT_EQ(access(2).offset_min, 508);
  EXPECT_EQ(access(2).offset_max, 508);
  EXPECT_TRUE(access(2).in_bounds && access(2).aligned);
  EXPECT_EQ(access(4).region, Region::map_value);
  EXPECT_EQ(access(4).map, 1U);
  EXPECT_EQ(access(4).offset_min, 56);
  EXPECT_TRUE(access(4).in_bounds && access(4).aligned);
  EXPECT_EQ(access(5).offset_min, 49);
  EXPECT_TRUE(access(5).in_bounds);
  EXPECT_FALSE(access(5).aligned);
  EXPECT_EQ(access(6).region, Region::unknown);
}

TEST(Verify, WhichMapIsUnknownWherePathsDiffer) {
  const auto verified = verify_text(std::string(kKey) +
                                    "r6 = *(u32 *)(r1 +12)\nr1 = map[flows] ll\nif r6 == 0 goto call\n"
                                    "r1 = map[bss] ll\ncall: r2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
                                    "r0 = 0\nexit");
  ASSERT_TRUE(verified) << verified.error().text();
  EXPECT_EQ((*verified)->facts()[7].call.helper, 1U);
  EXPECT_EQ((*verified)->facts()[7].call.map, kNone);
}

TEST(Verify, BranchFactsFollowTheWidth) {
  const auto branch = [](std::string_view condition) {
    const auto verified = verify_text("r3 = *(u32 *)(r1 +12)\nr1 = 0x100000001 ll\nr2 = 1\nr0 = 0\nif " +
                                      std::string(condition) + " goto +0\nexit");
    EXPECT_TRUE(verified) << verified.error().text();
    return verified ? (*verified)->facts()[4].branch : Branch::both;
  };
  EXPECT_EQ(branch("r1 == r2"), Branch::never);
  EXPECT_EQ(branch("w1 == w2"), Branch::always);
  EXPECT_EQ(branch("r1 > 1"), Branch::always);
  EXPECT_EQ(branch("w1 > 1"), Branch::never);
  EXPECT_EQ(branch("r2 s> 0xffffffff"), Branch::always);
  EXPECT_EQ(branch("r2 > 0xffffffff"), Branch::never);
  EXPECT_EQ(branch("r3 == 1"), Branch::both);
}

std::vector<MapUse> uses_of(std::string_view text) {
  const auto verified = verify_text(text);
  EXPECT_TRUE(verified) << verified.error().text();
  if (!verified) return {};
  return {(*verified)->map_uses().begin(), (*verified)->map_uses().end()};
}

TEST(Verify, MapUses) {
  const auto uses = uses_of(std::string(kKey) +
                            "r1 = map[flows] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\n*(u64 *)(r10 -16) = 0\n"
                            "r4 = 0\ncall bpf_map_update_elem\n"
                            "r2 = map[rodata][0]+0 ll\nr0 = *(u32 *)(r2 +0)\nexit");
  EXPECT_EQ(uses, (std::vector{MapUse::read_write, MapUse::unused, MapUse::unused, MapUse::unused, MapUse::read_only}));
  const auto counted = uses_of("r1 = map[bss][0]+8 ll\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 0\nexit");
  EXPECT_EQ(counted[1], MapUse::commutative);
}

TEST(Verify, LogNamesTheInstruction) {
  Report report;
  EXPECT_FALSE(verify_text("r0 = 0\ncall 195896080\nexit", {}, {.log_level = 1}, &report));
  EXPECT_THAT(report.log, ::testing::HasSubstr("1: (85) call unknown#195896080\n"));
  EXPECT_THAT(report.log, ::testing::HasSubstr("invalid func unknown#195896080"));
  EXPECT_THAT(report.log, ::testing::HasSubstr("(limit 1000000)"));
  EXPECT_EQ(report.processed_instructions, 2U);
  Report quiet;
  EXPECT_TRUE(verify_text("r0 = 0\nexit", {}, {}, &quiet));
  EXPECT_EQ(quiet.log, "");
}

}  // namespace
}  // namespace forager::verifier

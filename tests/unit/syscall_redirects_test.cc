// SPDX-License-Identifier: Apache-2.0
//
// Programs in values of DEVMAP, DEVMAP_HASH and CPUMAP: which are taken, what a lookup shows, how long they are held,
// and that they run. On the kernel too.
#include <array>
#include <thread>

#include "program/text.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kTypes[] = {BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH, BPF_MAP_TYPE_CPUMAP};
constexpr int kNobody = 999;    // a descriptor
constexpr __u32 kLoopback = 1;  // a port of every machine, and a length for a queue

class Redirects : public BpfTest {
 protected:
  int load_for(unsigned attach_type, unsigned flags = 0, unsigned type = BPF_PROG_TYPE_XDP) {
    const Code code = return_2();
    bpf_attr attr = prog_attr(code, type);
    attr.expected_attach_type = attach_type;
    attr.prog_flags = flags;
    return load(attr);
  }
  // A program that names the map; its descriptor or an error.
  long load_user(int map, unsigned flags = 0, unsigned type = BPF_PROG_TYPE_XDP) {
    const Code code = {{0x18, 1, BPF_PSEUDO_MAP_FD, 0, map}, {}, {0xb7, 0, 0, 0, 0}, {0x95, 0, 0, 0, 0}};
    bpf_attr attr = prog_attr(code, type);
    attr.prog_flags = flags;
    const long fd = bpf(BPF_PROG_LOAD, attr);
    if (fd >= 0) close(static_cast<int>(fd));
    return fd < 0 ? fd : 0;
  }
  int make(unsigned type, unsigned value_size = 8) { return create_map(map_attr(type, 4, value_size, 4)); }
  long put(int map, __u32 key, __u32 number, int fd, __u64 flags = BPF_ANY) {
    const std::array<__u32, 2> value = {number, static_cast<__u32>(fd)};
    return bpf(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, value.data(), flags));
  }
  std::array<__u32, 2> at(int map, __u32 key) {
    std::array<__u32, 2> value{};
    EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, value.data())), 0);
    return value;
  }
  long erase(int map, __u32 key) { return bpf(BPF_MAP_DELETE_ELEM, element_attr(map, &key, nullptr)); }
  bool exists(__u32 program_id) {
    bpf_attr attr = empty_attr();
    attr.prog_id = program_id;
    const long fd = bpf(BPF_PROG_GET_FD_BY_ID, attr);
    if (fd >= 0) close(static_cast<int>(fd));
    return fd >= 0;
  }
  // The kernel lets go of an entry's program some time after the entry.
  bool goes(__u32 program_id) {
    for (int i = 0; i < 1000 && exists(program_id); ++i) std::this_thread::sleep_for(10ms);
    return !exists(program_id);
  }
  static unsigned attach_type_of(unsigned type) {
    return type == BPF_MAP_TYPE_CPUMAP ? BPF_XDP_CPUMAP : BPF_XDP_DEVMAP;
  }
  static unsigned other_attach_type(unsigned type) {
    return type == BPF_MAP_TYPE_CPUMAP ? BPF_XDP_DEVMAP : BPF_XDP_CPUMAP;
  }
  // What an unfit program is told.
  static long unfit(unsigned type) { return type == BPF_MAP_TYPE_CPUMAP ? -ENOMEM : -EINVAL; }
};
FORAGER_ON_BOTH(Redirects);

TEST_P(Redirects, AnEntryShowsItsProgramsId) {
  for (const unsigned type : kTypes) {
    const int map = make(type), program = load_for(attach_type_of(type));
    ASSERT_EQ(put(map, 1, kLoopback, program), 0) << type;
    EXPECT_EQ(at(map, 1), (std::array<__u32, 2>{kLoopback, info_of<bpf_prog_info>(program).id}));
    ASSERT_EQ(put(map, 1, kLoopback, 0), 0);
    EXPECT_EQ(at(map, 1), (std::array<__u32, 2>{kLoopback, 0}));
    ASSERT_EQ(put(map, 1, kLoopback, -1), 0) << "no descriptor is none";
    EXPECT_EQ(at(map, 1), (std::array<__u32, 2>{kLoopback, 0}));
  }
}

TEST_P(Redirects, OnlyProgramsForSuchMapsAreTaken) {
  for (const unsigned type : kTypes) {
    const int map = make(type);
    EXPECT_EQ(put(map, 1, kLoopback, load_for(0)), unfit(type)) << type;
    EXPECT_EQ(put(map, 1, kLoopback, load_for(other_attach_type(type))), unfit(type));
    EXPECT_EQ(put(map, 1, kLoopback, load_for(0, 0, BPF_PROG_TYPE_SCHED_CLS)), unfit(type));
    EXPECT_EQ(put(map, 1, kLoopback, kNobody), unfit(type));
    EXPECT_EQ(put(map, 1, kLoopback, map), unfit(type));
  }
}

TEST_P(Redirects, WhatIsWrongBesidesDecides) {
  for (const unsigned type : kTypes) {
    const int map = make(type);
    const bool cpu = type == BPF_MAP_TYPE_CPUMAP, by_index = type != BPF_MAP_TYPE_DEVMAP_HASH;
    EXPECT_EQ(put(map, 0, 0, kNobody), cpu ? 0 : -EINVAL) << type;
    EXPECT_EQ(put(map, 9, kLoopback, kNobody), by_index ? -E2BIG : -EINVAL);
    EXPECT_EQ(put(map, 9, kLoopback, kNobody, 7), -EINVAL);
    ASSERT_EQ(put(map, 0, kLoopback, 0), 0);
    EXPECT_EQ(put(map, 0, kLoopback, kNobody, BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(put(map, 0, kLoopback, kNobody, BPF_EXIST), unfit(type));
    if (cpu) {
      EXPECT_EQ(put(map, 0, 20000, kNobody), -EOVERFLOW);
    }
  }
}

TEST_P(Redirects, SmallValuesHaveNoPrograms) {
  for (const unsigned type : kTypes) {
    const int map = make(type, 4);
    EXPECT_EQ(put(map, 0, kLoopback, kNobody), 0) << type;
    EXPECT_EQ(at(map, 0), (std::array<__u32, 2>{kLoopback, 0}));
  }
}

TEST_P(Redirects, TheFirstProgramDecidesOnFragments) {
  for (const unsigned type : kTypes) {
    const int map = make(type), plain = load_for(attach_type_of(type));
    const int fragments = load_for(attach_type_of(type), BPF_F_XDP_HAS_FRAGS);
    ASSERT_EQ(put(map, 0, kLoopback, plain), 0) << type;
    EXPECT_EQ(put(map, 1, kLoopback, fragments), unfit(type));
    const int other = make(type);
    EXPECT_EQ(put(other, 0, kLoopback, load_for(0)), unfit(type));
    EXPECT_EQ(put(other, 0, kLoopback, fragments), 0) << "who was refused decided nothing";
    EXPECT_EQ(put(other, 1, kLoopback, plain), unfit(type));
  }
}

// But of DEVMAP_HASH, where Linux does not ask.
TEST_P(Redirects, WhoUsesTheMapDecidesToo) {
  for (const unsigned type : kTypes) {
    const bool asked = type != BPF_MAP_TYPE_DEVMAP_HASH;
    const int map = make(type), program = load_for(attach_type_of(type));
    ASSERT_EQ(put(map, 0, kLoopback, program), 0) << type;
    EXPECT_EQ(load_user(map), 0);
    EXPECT_EQ(load_user(map, BPF_F_XDP_HAS_FRAGS), asked ? -EINVAL : 0);
    EXPECT_EQ(load_user(map, 0, BPF_PROG_TYPE_SCHED_CLS), asked ? -EINVAL : 0);
    const int used = make(type);
    EXPECT_EQ(load_user(used, BPF_F_XDP_HAS_FRAGS), 0);
    EXPECT_EQ(put(used, 0, kLoopback, program), asked ? unfit(type) : 0);
  }
}

TEST_P(Redirects, AnEntryHoldsItsProgram) {
  for (const unsigned type : kTypes) {
    const int map = make(type), program = load_for(attach_type_of(type));
    const __u32 id = info_of<bpf_prog_info>(program).id;
    ASSERT_EQ(put(map, 1, kLoopback, program), 0);
    close(program);
    EXPECT_TRUE(exists(id)) << type;
    EXPECT_EQ(at(map, 1)[1], id);
    EXPECT_EQ(erase(map, 1), 0);
    EXPECT_TRUE(goes(id)) << type;
  }
}

TEST_P(Redirects, AMapThatIsClosedLetsItsProgramsGo) {
  for (const unsigned type : kTypes) {
    const int map = make(type), program = load_for(attach_type_of(type));
    const __u32 id = info_of<bpf_prog_info>(program).id;
    ASSERT_EQ(put(map, 1, kLoopback, program), 0);
    close(program);
    close(map);
    EXPECT_TRUE(goes(id)) << type;
  }
}

// What the program of a CPU does stands in an array, since the kernel runs it some time later.
TEST_P(Redirects, ACpusProgramRuns) {
  const int cpus = make(BPF_MAP_TYPE_CPUMAP), journal = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  const auto assembled = [](std::string_view text, int map, unsigned kind) {
    const auto slots = *program::assemble(text);
    Code code(slots.size());
    std::memcpy(code.data(), slots.data(), slots.size() * sizeof code[0]);
    for (bpf_insn& each : code) {
      if (each.code != 0x18) continue;
      each.src_reg = kind & 0xf;
      each.imm = map;
    }
    return code;
  };
  // Notes the packet's length and 1 in the upper half, and drops it.
  const Code there = assembled(
      "r2 = *(u32 *)(r1 +4)\nr3 = *(u32 *)(r1 +0)\nr2 -= r3\nr3 = 1\nr3 <<= 32\nr2 |= r3\nr4 = 0 ll\n"
      "*(u64 *)(r4 +0) = r2\nr0 = 1\nexit",
      journal, BPF_PSEUDO_MAP_VALUE);
  const Code to_cpu = assembled("r1 = 0 ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit", cpus, BPF_PSEUDO_MAP_FD);
  bpf_attr attr = prog_attr(there);
  attr.expected_attach_type = BPF_XDP_CPUMAP;
  ASSERT_EQ(put(cpus, 0, 64, load(attr)), 0);
  const std::vector<char> in(64);
  bpf_attr run = empty_attr();
  run.test.prog_fd = static_cast<__u32>(load(prog_attr(to_cpu)));
  run.test.data_in = address_of(in.data());
  run.test.data_size_in = 64;
  run.test.repeat = 1;
  run.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  ASSERT_EQ(bpf(BPF_PROG_TEST_RUN, run), 0);
  std::array<__u32, 2> seen = at(journal, 0);
  for (int i = 0; i < 1000 && seen[1] == 0; ++i) {
    std::this_thread::sleep_for(10ms);
    seen = at(journal, 0);
  }
  EXPECT_EQ(seen, (std::array<__u32, 2>{64, 1}));
}

}  // namespace
}  // namespace forager::syscall::testing

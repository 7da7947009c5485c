// SPDX-License-Identifier: Apache-2.0
//
// Ring buffers and perf event arrays: what programs write in the kernel arrives in our buffers.
#include <linux/bpf.h>

#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using isa::MapType;
using linux_test::Bytes;
using linux_test::bytes_of;
using linux_test::Rig;
using linux_test::spec_of;
using linux_test::TestMap;
using linux_test::TestSink;

// Submits "AAAAAAAA", discards one, outputs 3 bytes "BBB". r0 = 1 if the last was refused, else 2.
constexpr const char* kRing = R"(
  r1 = map[m0] ll
  r2 = 8
  r3 = 0
  call bpf_ringbuf_reserve
  if r0 == 0 goto second
  r1 = 0x4141414141414141 ll
  *(u64 *)(r0 + 0) = r1
  r1 = r0
  r2 = 0
  call bpf_ringbuf_submit
second:
  r1 = map[m0] ll
  r2 = 16
  r3 = 0
  call bpf_ringbuf_reserve
  if r0 == 0 goto third
  r1 = r0
  r2 = 0
  call bpf_ringbuf_discard
third:
  *(u32 *)(r10 - 4) = 0x42424242
  r1 = map[m0] ll
  r2 = r10
  r2 += -4
  r3 = 3
  r4 = 0
  call bpf_ringbuf_output
  r1 = r0
  r0 = 2
  if r1 == 0 goto out
  r0 = 1
out:
  exit
)";

TEST(LinuxRing, ForwardsRecordsAndNotDiscardedOnes) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::ringbuf, 0, 0, 4096), 1);
  Rig rig;
  rig.open(kRing, {map});
  (void)rig.run();
  EXPECT_EQ(map->ring().records, (std::vector<std::string>{"AAAAAAAA", "BBB"}));
  (void)rig.run();
  EXPECT_EQ(map->ring().records.size(), 4U);
}

// 56 bytes a frame: 73 frames fill 4088 of 4096 bytes, so the 74th meets a full ring; reading makes room again.
TEST(LinuxRing, IsAsFullAsOurs) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::ringbuf, 0, 0, 4096), 1);
  Rig rig;
  rig.open(kRing, {map});
  for (int i = 0; i < 73; ++i) ASSERT_EQ(rig.run().return_value, 2U) << "frame " << i;
  EXPECT_EQ(rig.run().return_value, 1U);
  EXPECT_EQ(map->ring().records.size(), 146U);
  map->ring().read_all();
  EXPECT_EQ(rig.run().return_value, 2U);
  for (int i = 0; i < 200; ++i) {  // many times around the ring
    map->ring().read_all();
    ASSERT_EQ(rig.run().return_value, 2U);
  }
  EXPECT_EQ(map->ring().records.back(), "BBB");
  EXPECT_EQ(map->ring().lost(), 0U);
}

TEST(LinuxRing, CountsRecordsThatOursHadWhenItWasMade) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::ringbuf, 0, 0, 4096), 1);
  map->ring().commit(map->ring().reserve(4064), 0, false);  // 4072 of 4096 bytes: room for "AAAAAAAA" only
  Rig rig;
  rig.open(kRing, {map});
  EXPECT_EQ(rig.run().return_value, 1U);
  EXPECT_EQ(map->ring().records.size(), 2U);
}

// Eight bytes from the stack and the first `packet` bytes of the packet, to the current CPU's buffer.
std::string perf_program(unsigned packet) {
  constexpr const char* kText = R"(
    r6 = r1
    r1 = 0x4847464544434241 ll
    *(u64 *)(r10 - 8) = r1
    r1 = r6
    r2 = map[m0] ll
    r3 = {} ll
    r4 = r10
    r4 += -8
    r5 = 8
    call bpf_perf_event_output
    exit
  )";
  return fmt::format(fmt::runtime(kText), (std::uint64_t{packet} << 32) | BPF_F_CURRENT_CPU);
}

TEST(LinuxPerf, ForwardsSamplesToTheSink) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::perf_event_array, 4, 4, 8), 1);
  auto sink = std::make_shared<TestSink>();
  map->abilities().perf->set(0, sink);
  Rig rig;
  rig.open(perf_program(3), {map});
  EXPECT_EQ(rig.run(Bytes(64, std::byte{7})).return_value, 0U);
  ASSERT_EQ(sink->samples.size(), 1U);
  Bytes& sample = sink->samples[0];
  ASSERT_GE(sample.size(), 11U);
  sample.resize(11);  // the kernel pads
  EXPECT_EQ(sample, bytes_of({'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 7, 7, 7}));
}

TEST(LinuxPerf, GoesManyTimesAroundTheBuffer) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::perf_event_array, 4, 4, 8), 1);
  auto sink = std::make_shared<TestSink>();
  map->abilities().perf->set(0, sink);
  Rig rig;
  rig.open(perf_program(1003), {map});
  std::vector<exec::Frame> frames(2500);  // 1 MiB holds about 1000
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i] = exec::Frame::make(Bytes(1200, static_cast<std::byte>(i % 251))).value();
  }
  ASSERT_TRUE(rig.device->run(frames));
  ASSERT_EQ(sink->samples.size(), frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_GE(sink->samples[i].size(), 1011U);
    ASSERT_EQ(sink->samples[i][1010], static_cast<std::byte>(i % 251)) << "sample " << i;
  }
}

TEST(LinuxPerf, HasNoBufferWhereTheTableHasNone) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::perf_event_array, 4, 4, 8), 1);
  Rig rig;
  rig.open(perf_program(0), {map});
  EXPECT_EQ(static_cast<std::int32_t>(rig.run().return_value), -ENOENT);
  auto sink = std::make_shared<TestSink>();
  map->abilities().perf->set(0, sink);
  EXPECT_EQ(rig.run().return_value, 0U);
  map->abilities().perf->set(0, nullptr);
  EXPECT_EQ(static_cast<std::int32_t>(rig.run().return_value), -ENOENT);
  EXPECT_EQ(sink->samples.size(), 1U);
}

}  // namespace
}  // namespace forager

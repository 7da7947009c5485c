// SPDX-License-Identifier: Apache-2.0
//
// Frame geometry: the numbers of Linux's XDP frames. helpers_kernel_test compares the same calls with the kernel.
#include "exec/frame.h"
#include "exec/frame_layout.h"

#include <cerrno>

#include "exec_testing.h"

namespace forager::exec {
namespace {

using testing::as_bytes;
using testing::Bytes;

Frame make(const Bytes& packet) { return *Frame::make(as_bytes(packet)); }

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);
  return bytes;
}

TEST(Frame, StandsWhereTheKernelPutsIt) {
  const Frame frame = make(counting(60));
  EXPECT_EQ(frame.data(), 256U);
  EXPECT_EQ(frame.data_meta(), 256U);
  EXPECT_EQ(frame.data_end(), 316U);
  EXPECT_EQ(frame.capacity(), 4096U);
  EXPECT_EQ(frame.limit(), 4096U - 320U);
  EXPECT_EQ(testing::bytes_of(frame.packet()), counting(60));
}

TEST(Frame, LargePacketsGetLargeFramesUpToTheLimit) {
  const Frame jumbo = make(Bytes(9000));
  EXPECT_EQ(jumbo.packet().size(), 9000U);
  EXPECT_GE(jumbo.limit(), 256U + 9000U);
  EXPECT_TRUE(Frame::make(as_bytes(Bytes(kMaxPacketBytes))));
  const auto refused = Frame::make(as_bytes(Bytes(kMaxPacketBytes + 1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::limit);
  EXPECT_EQ(refused.error().text(), "packet too large, in bytes; limit 262144, asked 262145");
}

TEST(Frame, HeadMovesBetweenTheFrameHeaderAndAnEthernetHeader) {
  Frame frame = make(counting(60));
  EXPECT_EQ(frame.adjust_head(-216), 0);
  EXPECT_EQ(frame.data(), 40U);
  EXPECT_EQ(frame.adjust_head(-1), -EINVAL);
  EXPECT_EQ(frame.adjust_head(216 + 60 - 14), 0);
  EXPECT_EQ(frame.packet().size(), 14U);
  EXPECT_EQ(frame.adjust_head(1), -EINVAL);
  EXPECT_EQ(frame.adjust_head(INT32_MIN), -EINVAL);
  EXPECT_EQ(frame.adjust_head(INT32_MAX), -EINVAL);
}

TEST(Frame, TailGrowsByZerosUpToTheReserve) {
  Frame frame = make(counting(60));
  const auto room = static_cast<std::int32_t>(frame.limit() - frame.data_end());
  EXPECT_EQ(frame.adjust_tail(room + 1), -EINVAL);
  EXPECT_EQ(frame.adjust_tail(-20), 0);
  EXPECT_EQ(frame.adjust_tail(room + 20), 0);
  Bytes expected = counting(40);
  expected.resize(4096 - 320 - 256);
  EXPECT_EQ(testing::bytes_of(frame.packet()), expected);
  EXPECT_EQ(frame.adjust_tail(-static_cast<std::int32_t>(frame.packet().size()) + 14), 0);
  EXPECT_EQ(frame.adjust_tail(-1), -EINVAL);
  EXPECT_EQ(frame.adjust_tail(INT32_MAX), -EINVAL);
  EXPECT_EQ(frame.adjust_tail(INT32_MIN), -EINVAL);
}

TEST(Frame, MetadataComesInWordsUpTo252BytesAndNeverPassesData) {
  Frame frame = make(counting(60));
  EXPECT_EQ(frame.adjust_meta(4), -EINVAL);
  EXPECT_EQ(frame.adjust_meta(-3), -EACCES);
  EXPECT_EQ(frame.adjust_meta(-212), 0);
  EXPECT_EQ(frame.adjust_meta(-8), -EINVAL);  // into the frame header
  EXPECT_EQ(frame.adjust_meta(212), 0);
  ASSERT_EQ(frame.adjust_head(46), 0);
  EXPECT_EQ(frame.adjust_meta(-256), -EACCES);
  EXPECT_EQ(frame.adjust_meta(-252), 0);
}

TEST(Frame, MetadataGoesWithTheHead) {
  Frame frame = make(counting(60));
  ASSERT_EQ(frame.adjust_meta(-4), 0);
  frame.buffer()[frame.data_meta()] = std::byte{0xab};
  ASSERT_EQ(frame.adjust_head(-10), 0);
  EXPECT_EQ(frame.data_meta(), 256U - 14U);
  EXPECT_EQ(frame.buffer()[frame.data_meta()], std::byte{0xab});
  EXPECT_EQ(frame.adjust_head(-204), -EINVAL);  // the metadata would reach the frame header
  EXPECT_EQ(frame.adjust_head(-202), 0);
}

TEST(Frame, FragmentsFollowTheLinearPart) {
  Frame frame = make(counting(9000));
  frame.set_linear(kMaxLinearBytes);
  EXPECT_EQ(frame.data_end(), 256U + 3520U);
  EXPECT_EQ(frame.packet_end(), 256U + 9000U);
  EXPECT_EQ(frame.limit(), 4096U - 320U) << "the linear part is in one buffer";
  EXPECT_EQ(testing::bytes_of(frame.packet()), counting(9000));
  frame.set_linear(UINT32_MAX);
  EXPECT_EQ(frame.data_end(), frame.packet_end());
}

TEST(Frame, FragmentsGrowToTheEndOfTheLastAndShrinkIntoTheLinearPart) {
  Frame frame = make(counting(9000));
  frame.set_linear(kMaxLinearBytes);
  const std::int32_t room = 2 * 4096 - (9000 - 3520);
  EXPECT_EQ(frame.adjust_tail(room + 1), -EINVAL);
  EXPECT_EQ(frame.adjust_tail(room), 0);
  EXPECT_EQ(frame.adjust_tail(1), -EINVAL);
  Bytes grown = counting(9000);
  grown.resize(3520 + 2 * 4096);
  EXPECT_EQ(testing::bytes_of(frame.packet()), grown);
  EXPECT_EQ(frame.adjust_tail(-4096), 0);
  EXPECT_EQ(frame.adjust_tail(1), -EINVAL) << "the fragment that is now the last is full";
  EXPECT_EQ(frame.adjust_tail(INT32_MIN), -EINVAL);
  EXPECT_EQ(frame.adjust_tail(-4096 - 3420), 0);
  EXPECT_EQ(frame.data_end(), 256U + 100U);
  EXPECT_EQ(frame.adjust_tail(3421), -EINVAL) << "no fragments are left, and the buffer is that of the linear part";
  EXPECT_EQ(frame.adjust_tail(3420), 0);
}

TEST(Frame, HeadStaysInTheLinearPart) {
  Frame frame = make(counting(9000));
  frame.set_linear(100);
  EXPECT_EQ(frame.adjust_head(87), -EINVAL);
  EXPECT_EQ(frame.adjust_head(86), 0);
  EXPECT_EQ(frame.packet().size(), 9000U - 86U);
  EXPECT_EQ(frame.data_end() - frame.data(), 14U);
}

TEST(Frame, AssignTakesFragmentsToo) {
  Frame frame = make(counting(9000));
  frame.set_linear(kMaxLinearBytes);
  ASSERT_TRUE(frame.assign(as_bytes(counting(8000)), 3000));
  EXPECT_EQ(testing::bytes_of(frame.packet()), counting(8000));
  EXPECT_EQ(frame.data_end(), 256U + 3000U);
  EXPECT_FALSE(frame.assign(as_bytes(counting(8000)), 3737)) << "more than the linear part can be";
  EXPECT_FALSE(frame.assign(as_bytes(Bytes(20000)), 3000)) << "more than the fragments can hold";
}

TEST(Frame, AssignTakesWhatAnotherEngineMadeOfIt) {
  Frame frame = make(counting(60));
  ASSERT_TRUE(frame.assign(as_bytes(counting(200))));
  EXPECT_EQ(testing::bytes_of(frame.packet()), counting(200));
  EXPECT_EQ(frame.data(), 256U);
  const Bytes grown_at_both_ends(4096 - 320 - 40);
  ASSERT_TRUE(frame.assign(as_bytes(grown_at_both_ends)));
  EXPECT_EQ(frame.data(), 40U);
  EXPECT_EQ(frame.packet().size(), grown_at_both_ends.size());
  const auto refused = frame.assign(as_bytes(Bytes(4096 - 320 - 39)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::limit);
}

TEST(Frame, RawMemoryHasNoRoomAround) {
  Frame frame = Frame::raw(as_bytes(counting(16)));
  EXPECT_EQ(frame.data(), 0U);
  EXPECT_EQ(frame.packet().size(), 16U);
  EXPECT_EQ(frame.limit(), 16U);
  ASSERT_TRUE(frame.assign(as_bytes(counting(8))));
  EXPECT_EQ(testing::bytes_of(frame.packet()), counting(8));
  EXPECT_FALSE(frame.assign(as_bytes(counting(17))));
  EXPECT_EQ(Frame::raw({}).packet().size(), 0U);
}

// What a device that shares memory finds in a frame is what the frame says.
TEST(FrameLayout, LeadsToTheParts) {
  const FrameLayout& at = FrameLayout::get();
  ASSERT_TRUE(at.known);
  EXPECT_EQ(at.size, sizeof(Frame));
  Frame frame = *Frame::make(std::vector<std::byte>(100, std::byte{7}));
  ASSERT_EQ(frame.adjust_head(20), 0);
  ASSERT_EQ(frame.adjust_meta(-8), 0);
  ASSERT_EQ(frame.adjust_tail(-5), 0);
  frame.return_value = 0x1122334455667788;
  frame.context[16] = std::byte{3};
  const auto part = [&]<class T>(std::uint32_t offset, T value) {
    std::memcpy(static_cast<void*>(&value), reinterpret_cast<const std::byte*>(&frame) + offset, sizeof value);
    return value;
  };
  EXPECT_EQ(part(at.buffer, static_cast<std::byte*>(nullptr)), frame.buffer());
  EXPECT_EQ(part(at.buffer + 8, static_cast<std::byte*>(nullptr)), frame.buffer() + frame.capacity());
  EXPECT_EQ(part(at.data_meta, 0U), frame.data_meta());
  EXPECT_EQ(part(at.data, 0U), frame.data());
  EXPECT_EQ(part(at.data_end, 0U), frame.data_end());
  EXPECT_EQ(part(at.packet_end, 0U), frame.packet_end());
  EXPECT_EQ(frame.capacity() - part(at.reserve, 0U), frame.limit());
  EXPECT_EQ(part(at.head_limit, 0U), kFrameHeader);
  EXPECT_EQ(part(at.return_value, std::uint64_t{0}), frame.return_value);
  EXPECT_EQ(part(at.has_results, 0U), 0U);
  frame.change_results().redirect = {.ifindex = 5, .map_type = 14};
  EXPECT_NE(part(at.has_results, 0U), 0U);
  EXPECT_EQ(part(at.redirect_port, 0U), 5U);
  EXPECT_EQ(part(at.redirect_type, 0U), 14U);
  frame.clear_results();
  EXPECT_EQ(part(at.has_results, 0U), 0U);
  EXPECT_EQ(frame.results().redirect.ifindex, 0U);
  EXPECT_EQ(part(at.context + 16, 0U), 3U);
}

}  // namespace
}  // namespace forager::exec

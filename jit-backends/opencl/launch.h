// SPDX-License-Identifier: Apache-2.0
//
// Launch: packets on their way to the device, through a kernel, and back. A device has several, so that one is filled
// or emptied while another's kernel runs; their kernels run one after the other.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <cstring>
#include <vector>

#include "jit-backends/opencl/driver.h"
#include "jit-backends/opencl/lanes.h"
#include "jit-backends/opencl/staging.h"

namespace forager::jit::opencl {

// What launches of one program have in common.
struct LaunchPlan {
  FrameUse use;
  BatchRecord batch;  // cpu, lanes, places and the rest; not what a launch fills in itself
  exec::Order order = exec::Order::packet;
  std::size_t group = 1;
  std::vector<std::uint32_t> ports;  // that clones may be sent to
  exec::Task task;                   // who runs, if the program asks
};

// Memory that outlives launches: as arguments of kernels.
struct Lasting {
  const Buffer* state;
  const Buffer* maps;
};

class Launch {
 public:
  explicit Launch(bool shared) : head_(shared), packets_(shared) {}

  // Makes it ready and hands it to the device. `frames` stays until it is collected.
  [[nodiscard]] Result<> send(const Driver& driver, cl_kernel kernel, const LaunchPlan& plan, const Lasting& lasting,
                              Frames frames);
  // Once it is through: finish(nth, returned) sees each packet, but for those that ended with nothing to tell besides
  // what stands in their frames already. The number of those.
  template <class Finish>
  [[nodiscard]] Result<std::size_t> collect(const Driver& driver, Finish finish);

  [[nodiscard]] Result<> wait(const Driver& driver);

  [[nodiscard]] Frames frames() const { return frames_; }
  // Of packets, there as well as back.
  [[nodiscard]] std::size_t copied_bytes() const { return copied_; }

 private:
  void place_frames(const FrameUse& use);
  // Of the nth frame, to the kernel: of frames that the device finds itself, how far it is from the first.
  [[nodiscard]] std::size_t number_of(std::size_t nth) const { return direct_ ? frames_.distance(nth) : nth; }
  void put_order(Lanes& lanes) const;
  void stage_all(const FrameUse& use, std::span<std::byte> head, std::span<std::byte> packets);
  [[nodiscard]] Result<> fill(const Driver& driver, const LaunchPlan& plan);
  // Packets from the nth on, which is one, that ended with nothing to tell: most of most launches.
  [[nodiscard]] std::size_t plain_from(std::size_t nth, std::span<const std::byte> head) const;
  static void take_skb(Returned& returned, std::span<const std::byte> records);
  void put_skbs(std::span<std::byte> head, const LaunchPlan& plan) const;
  [[nodiscard]] Result<> start(const Driver& driver, cl_kernel kernel, const LaunchPlan& plan, const Lasting& lasting);

  Buffer head_;     // the batch's record, the packets', and which lane has which
  Buffer packets_;  // bytes
  Frames frames_;
  std::vector<std::size_t> bases_;  // where frames that travel, or their clones, are in packets_, and their end
  bool direct_ = false;
  std::size_t done_at_ = 0, head_bytes_ = 0, packet_bytes_ = 0, copied_ = 0, skbs_at_ = 0, skb_bytes_ = 0;
  Event done_;
};

inline constexpr std::size_t kRecordsAt = in_lines(sizeof(BatchRecord));

template <class Finish>
Result<std::size_t> Launch::collect(const Driver& driver, Finish finish) {
  auto head = head_.map(driver, CL_MAP_READ, head_bytes_);
  if (!head) return std::unexpected(std::move(head.error()));
  auto packets = packets_.map(driver, CL_MAP_READ, packet_bytes_);
  if (!packets) return std::unexpected(std::move(packets.error()));
  Returned returned;
  std::size_t plain = 0;
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const std::size_t number = number_of(i);
    returned.done = std::to_integer<std::uint8_t>((*head)[done_at_ + number]);
    if (returned.done == kDone) {
      const std::size_t row = plain_from(i, *head);
      plain += row;
      i += row - 1;
      continue;
    }
    if (returned.done == kDoneMore) {
      std::memcpy(&returned.record, head->data() + kRecordsAt + number * sizeof(PacketRecord), sizeof(PacketRecord));
      if (!bases_.empty()) returned.staged = packets->subspan(bases_[i], bases_[i + 1] - bases_[i]);
      if (skb_bytes_ != 0) take_skb(returned, head->subspan(skbs_at_ + i * skb_bytes_, skb_bytes_));
    }
    finish(i, returned);
  }
  auto done = packets_.unmap(driver);
  if (done) done = head_.unmap(driver);
  if (!done) return std::unexpected(std::move(done.error()));
  return plain;
}

}  // namespace forager::jit::opencl

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/launch.h"

#include <array>
#include <cstring>
#include <numeric>

#include "jit-backends/opencl/staging_skb.h"

namespace forager::jit::opencl {
namespace {

void put(std::span<std::byte> to, std::size_t at, const std::vector<std::uint32_t>& words) {
  if (!words.empty()) std::memcpy(to.data() + at, words.data(), words.size() * sizeof words.front());
}

}  // namespace

Result<> Launch::send(const Driver& driver, cl_kernel kernel, const LaunchPlan& plan, const Lasting& lasting,
                      Frames frames) {
  frames_ = frames;
  direct_ = plan.use.direct;
  bases_.clear();
  packet_bytes_ = copied_ = 0;
  if (!plan.use.shared || plan.use.skb.clones != 0) place_frames(plan.use);
  packet_bytes_ = std::max<std::size_t>(packet_bytes_, 64);
  if (auto filled = fill(driver, plan); !filled) return filled;
  return start(driver, kernel, plan, lasting);
}

void Launch::place_frames(const FrameUse& use) {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    bases_.push_back(packet_bytes_);
    packet_bytes_ += staged_bytes(frames_[i], use);
    copied_ += travelling_bytes(frames_[i], use);
  }
  bases_.push_back(packet_bytes_);
}

// In the order of frames, by their numbers.
void Launch::put_order(Lanes& lanes) const {
  if (direct_ && lanes.order.empty() && frames_.has_gaps()) {
    lanes.order.resize(frames_.size());
    std::iota(lanes.order.begin(), lanes.order.end(), 0U);
  }
  for (std::uint32_t& nth : lanes.order) nth = static_cast<std::uint32_t>(number_of(nth));
}

Result<> Launch::fill(const Driver& driver, const LaunchPlan& plan) {
  Lanes lanes = lanes_of(frames_, plan.batch.lanes, plan.order);
  put_order(lanes);
  const std::size_t numbers = frames_.empty() ? 0 : number_of(frames_.size() - 1) + 1;
  done_at_ = kRecordsAt + numbers * sizeof(PacketRecord);
  const std::size_t order_at = in_lines(done_at_ + numbers);
  const std::size_t begins_at = in_lines(order_at + lanes.order.size() * sizeof(std::uint32_t));
  const std::size_t ports_at = in_lines(begins_at + lanes.begins.size() * sizeof(std::uint32_t));
  skbs_at_ = in_lines(ports_at + plan.ports.size() * sizeof(std::uint32_t));
  skb_bytes_ = plan.use.skb.sees ? sizeof(SkbRecord) + (plan.use.skb.tunnels ? sizeof(TunnelRecord) : 0) : 0;
  head_bytes_ = skbs_at_ + frames_.size() * skb_bytes_;
  Result<> done = head_.reserve(driver, head_bytes_);
  if (done) done = packets_.reserve(driver, packet_bytes_);
  if (!done) return done;
  auto head = head_.map(driver, CL_MAP_WRITE, head_bytes_);
  if (!head) return std::unexpected(std::move(head.error()));
  auto packets = packets_.map(driver, CL_MAP_WRITE, packet_bytes_);
  if (!packets) return std::unexpected(std::move(packets.error()));
  BatchRecord batch = plan.batch;
  batch.count = static_cast<std::uint32_t>(frames_.size());
  batch.frames = head_.address() + kRecordsAt;
  batch.done = head_.address() + done_at_;
  batch.order = lanes.order.empty() ? 0 : head_.address() + order_at;
  batch.begins = head_.address() + begins_at;
  batch.packets = direct_ && !frames_.empty() ? reinterpret_cast<std::uintptr_t>(&frames_[0]) : 0;
  batch.ports = head_.address() + ports_at;
  batch.port_count = static_cast<std::uint32_t>(plan.ports.size());
  batch.skbs = head_.address() + skbs_at_;
  batch.skb_bytes = static_cast<std::uint32_t>(skb_bytes_);
  std::memcpy(head->data(), &batch, sizeof batch);
  std::memset(head->data() + done_at_, kNotDone, numbers);
  if (!direct_) stage_all(plan.use, *head, *packets);
  put(*head, order_at, lanes.order);
  put(*head, begins_at, lanes.begins);
  put(*head, ports_at, plan.ports);
  if (skb_bytes_ != 0) put_skbs(*head, plan);
  done = packets_.unmap(driver);
  return done ? head_.unmap(driver) : done;
}

void Launch::stage_all(const FrameUse& use, std::span<std::byte> head, std::span<std::byte> packets) {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const PacketRecord record = stage(frames_[i], use, bases_.empty() ? 0 : bases_[i], packets);
    std::memcpy(head.data() + kRecordsAt + i * sizeof record, &record, sizeof record);
  }
}

void Launch::put_skbs(std::span<std::byte> head, const LaunchPlan& plan) const {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const std::uint64_t clones_at =
        bases_.empty() ? 0 : packets_.address() + bases_[i] + frame_bytes(frames_[i], plan.use);
    const auto records = head.subspan(skbs_at_ + i * skb_bytes_, skb_bytes_);
    const SkbRecord record = stage_skb(frames_[i], plan.use.skb, clones_at, plan.task);
    std::memcpy(records.data(), &record, sizeof record);
    if (!plan.use.skb.tunnels) continue;
    const TunnelRecord tunnel = stage_tunnel(frames_[i]);
    std::memcpy(records.data() + sizeof record, &tunnel, sizeof tunnel);
  }
}

void Launch::take_skb(Returned& returned, std::span<const std::byte> records) {
  std::memcpy(&returned.skb, records.data(), sizeof returned.skb);
  const auto tunnel = records.subspan(sizeof returned.skb);
  if (!tunnel.empty()) std::memcpy(&returned.tunnel, tunnel.data(), sizeof returned.tunnel);
}

std::size_t Launch::plain_from(std::size_t nth, std::span<const std::byte> head) const {
  static constexpr auto kRow = [] {
    std::array<std::uint8_t, 64> row{};
    row.fill(kDone);
    return row;
  }();
  const auto done = [&](std::size_t at) { return head.data() + done_at_ + number_of(at); };
  const bool in_rows = !frames_.has_gaps();
  std::size_t to = nth;
  while (in_rows && to + kRow.size() <= frames_.size() && std::memcmp(done(to), kRow.data(), kRow.size()) == 0) {
    to += kRow.size();
  }
  while (to < frames_.size() && *done(to) == std::byte{kDone}) ++to;
  return to - nth;
}

Result<> Launch::start(const Driver& driver, cl_kernel kernel, const LaunchPlan& plan, const Lasting& lasting) {
  const std::uint64_t address = head_.address();
  const Buffer* const buffers[] = {&head_, lasting.state, &packets_, lasting.maps};
  if (plan.use.shared) {
    if (auto set = check("clSetKernelArg", clSetKernelArg(kernel, 0, sizeof address, &address)); !set) return set;
  }
  for (cl_uint i = 0; i < std::size(buffers) && !plan.use.shared; ++i) {
    const auto* memory = static_cast<const void*>(&buffers[i]->memory());
    if (auto set = check("clSetKernelArg", clSetKernelArg(kernel, i, sizeof(cl_mem), memory)); !set) return set;
  }
  const std::size_t local = plan.group, global = (plan.batch.lanes + local - 1) / local * local;
  cl_event event = nullptr;
  const cl_int status =
      clEnqueueNDRangeKernel(driver.kernels(), kernel, 1, nullptr, &global, &local, 0, nullptr, &event);
  done_ = Event(event);
  if (auto sent = check("clEnqueueNDRangeKernel", status); !sent) return sent;
  return check("clFlush", clFlush(driver.kernels()));
}

Result<> Launch::wait(const Driver& driver) {
  const cl_event event = done_.get();
  if (event == nullptr) return driver.finish();
  return check("clWaitForEvents", clWaitForEvents(1, &event));
}

}  // namespace forager::jit::opencl

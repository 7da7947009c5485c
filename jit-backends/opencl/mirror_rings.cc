// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF and PERF_EVENT_ARRAY where programs run: logs (cl/rings.cl) whose records go to the host's buffers in their
// order, as if the programs had written them there now. What finds no room there is lost and counted there.
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

// In a ring's header.
constexpr std::size_t kRingUsed = 0, kLost = 8, kRoom = 16, kConsumer = 24, kProducer = 32, kOld = 40;
constexpr std::size_t kRecordHeader = 8;
// In a lane's log of samples; behind it, for each index, whether there is a buffer, and what it lost.
constexpr std::size_t kPerfUsed = 0, kSampleHeader = 8;

class RingMirror final : public Mirror {
 public:
  RingMirror(const Table& table, exec::Map& map, const MirrorUse& use)
      : table_(table), ring_(map.abilities().ring), shared_(use.shared) {
    const exec::MapMemory memory = map.memory();
    const std::size_t positions =
        2 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));  // the consumer's, the producer's
    if (memory.base != nullptr && memory.size >= positions + table.entries) old_ = memory.base + positions;
  }

  std::uint64_t bytes() const override { return table_.bytes(1); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  // One byte of a ring stays free.
  void put(std::span<std::byte> table, std::uint64_t) override {
    if (ring_ == nullptr) return;
    const std::uint64_t consumer = ring_->query(BPF_RB_CONS_POS), producer = ring_->query(BPF_RB_PROD_POS);
    const std::uint64_t most = table_.entries - 1, waiting = producer - consumer;
    room_ = waiting > most ? 0 : most - waiting;  // who reads the ring may write any position
    put_value(table, kRingUsed, std::uint64_t{0});
    put_value(table, kLost, std::uint64_t{0});
    put_value(table, kRoom, room_);
    put_value(table, kConsumer, consumer);
    put_value(table, kProducer, producer);
    put_value(table, kOld, shared_ ? reinterpret_cast<std::uintptr_t>(old_) : 0);
    if (old_ != nullptr && !shared_) put_old(table.subspan(Table::kHeader, room_), producer);
  }

  void take(std::span<std::byte> table) override {
    if (ring_ == nullptr) return;
    const auto used = std::min(value_at<std::uint64_t>(table, kRingUsed), room_);
    auto log = table.subspan(Table::kHeader, used);
    while (log.size() >= kRecordHeader) {
      const std::uint64_t taken = take_record(log);
      if (taken > log.size()) break;
      log = log.subspan(taken);
    }
    if (const auto lost = value_at<std::uint64_t>(table, kLost); lost != 0) ring_->lose(lost);
  }

 private:
  // What the ring has where the log's records will go.
  void put_old(std::span<std::byte> log, std::uint64_t producer) const {
    const std::size_t at = producer & (table_.entries - 1),
                      first = std::min<std::size_t>(log.size(), table_.entries - at);
    std::memcpy(log.data(), old_ + at, first);
    std::memcpy(log.data() + first, old_, log.size() - first);
  }

  // Its bytes; more than there are, if that is what it says. A record that is open is one of a program that was
  // stopped.
  [[nodiscard]] std::uint64_t take_record(std::span<const std::byte> log) const {
    const auto header = value_at<std::uint32_t>(log, 0);
    const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    const std::uint64_t bytes = kRecordHeader + in_words(length);
    if (bytes > log.size()) return bytes;
    void* record = ring_->reserve(length);
    if (record == nullptr) return bytes;
    std::memcpy(record, log.data() + kRecordHeader, length);
    const auto flags = value_at<std::uint32_t>(log, 4) & (BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP);
    ring_->commit(record, flags, (header & (BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)) != 0);
    return bytes;
  }

  Table table_;
  exec::RingProducer* ring_;
  bool shared_;
  const std::byte* old_ = nullptr;  // the ring's bytes, of whatever record
  std::uint64_t room_ = 0;
};

class PerfMirror final : public Mirror {
 public:
  PerfMirror(const Table& table, exec::Map& map, const MirrorUse& use)
      : table_(table), buffers_(map.abilities().perf), lanes_(use.lanes) {}

  std::uint64_t bytes() const override { return table_.bytes(lanes_); }
  std::uint64_t place(std::uint64_t at, unsigned lane) const override { return at + lane * lane_bytes(); }

  void put(std::span<std::byte> table, std::uint64_t) override {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      const auto log = of_lane(table, lane);
      put_value(log, kPerfUsed, std::uint64_t{0});
      for (std::uint32_t i = 0; i < table_.entries; ++i) {
        put_value(log, buffer_at(i), std::uint32_t{buffer(i) != nullptr ? 1U : 0U});
        put_value(log, buffer_at(i) + 4, std::uint32_t{0});
      }
    }
  }

  void take(std::span<std::byte> table) override {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      const auto log = of_lane(table, lane);
      const auto used = std::min(value_at<std::uint64_t>(log, kPerfUsed), Table::kPerfLogBytes);
      take_samples(log.subspan(table_.perf_log_at(), used));
      for (std::uint32_t i = 0; i < table_.entries; ++i) {
        const auto lost = value_at<std::uint32_t>(log, buffer_at(i) + 4);
        if (const auto sink = lost == 0 ? nullptr : buffer(i); sink != nullptr) sink->lose(lost);
      }
    }
  }

 private:
  [[nodiscard]] std::size_t lane_bytes() const { return table_.perf_log_at() + Table::kPerfLogBytes; }
  [[nodiscard]] std::span<std::byte> of_lane(std::span<std::byte> table, unsigned lane) const {
    return table.subspan(lane * lane_bytes(), lane_bytes());
  }
  static std::size_t buffer_at(std::uint32_t index) { return Table::kHeader + std::size_t{8} * index; }
  [[nodiscard]] std::shared_ptr<exec::PerfSink> buffer(std::uint32_t index) const {
    return buffers_ == nullptr || index >= table_.entries ? nullptr : buffers_->get(index);
  }

  void take_samples(std::span<const std::byte> log) const {
    while (log.size() >= kSampleHeader) {
      const auto index = value_at<std::uint32_t>(log, 0), length = value_at<std::uint32_t>(log, 4);
      const std::uint64_t bytes = kSampleHeader + in_words(length);
      if (bytes > log.size()) return;
      // A full buffer counts what it loses itself.
      if (const auto sink = buffer(index); sink != nullptr)
        std::ignore = sink->write(log.subspan(kSampleHeader, length), {});
      log = log.subspan(bytes);
    }
  }

  Table table_;
  exec::PerfTable* buffers_;
  unsigned lanes_;
};

}  // namespace

std::unique_ptr<Mirror> make_ring_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<RingMirror>(table, map, use);
}

std::unique_ptr<Mirror> make_perf_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<PerfMirror>(table, map, use);
}

}  // namespace forager::jit::opencl

// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/profile.h"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <set>
#include <span>

#include "exec/host_helpers.h"
#include "interp/proxy.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

constexpr std::int64_t kSector = 32;
constexpr std::size_t kMostBytes = 4096;

using Counts = std::vector<std::uint32_t>;  // by instruction

bool is_one_of(std::uint32_t helper, std::initializer_list<exec::HelperId> ids) {
  return std::ranges::count(ids, static_cast<exec::HelperId>(helper)) != 0;
}

// One packet's way through the program.
class Walk {
 public:
  Walk(interp::Proxy& proxy, std::size_t instructions) : proxy_(proxy), counts_(instructions) {}

  Result<> run(exec::Frame& frame) {
    frame_ = &frame;
    proxy_.begin(frame, 0);
    auto outcome = interp::Proxy::Outcome::next;
    while (outcome == interp::Proxy::Outcome::next || outcome == interp::Proxy::Outcome::jumped) {
      note();
      outcome = proxy_.advance();
    }
    const bool stopped = outcome == interp::Proxy::Outcome::stopped;
    std::string why = stopped ? proxy_.trap()->message : "";
    proxy_.finish(proxy_.registers()[0]);
    return stopped ? fail(ErrorKind::bug, EINVAL, std::move(why)) : Result<>{};
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  void add_to(Demand& sum) const {
    sum.instructions += static_cast<double>(instructions_);
    sum.packet_read += static_cast<double>(read_.count());
    sum.packet_written += static_cast<double>(written_.count());
    sum.packet_sectors += static_cast<double>(packet_sectors_.size());
    sum.map_read += static_cast<double>(map_read_);
    sum.map_written += static_cast<double>(map_written_);
    sum.map_sectors += static_cast<double>(map_sectors_.size());
    sum.atomics += static_cast<double>(atomics_);
    sum.lookups += static_cast<double>(lookups_);
    sum.updates += static_cast<double>(updates_);
    sum.reach_read = std::max({sum.reach_read, end_of(read_ | written_), reach_read_});
    sum.reach_written = std::max({sum.reach_written, end_of(written_), reach_written_});
  }

 private:
  using Bytes = std::bitset<kMostBytes>;

  static std::size_t end_of(const Bytes& bytes) {
    std::size_t end = kMostBytes;
    while (end != 0 && !bytes[end - 1]) --end;
    return end;
  }

  void note() {
    const std::uint32_t at = proxy_.next();
    const program::Instruction& insn = proxy_.unit()->program().instructions()[at];
    const isa::Row& row = isa::row(insn.op);
    ++instructions_;
    if (at < counts_.size()) ++counts_[at];
    const auto memory = [&](std::uint8_t reg, interp::Use use) {
      touch(proxy_.registers()[reg] + static_cast<std::uint64_t>(std::int64_t{insn.offset}), row.width / 8U, use);
    };
    if (row.form == isa::Form::load) memory(insn.src, interp::Use::read);
    if (row.form == isa::Form::store_imm || row.form == isa::Form::store_reg) memory(insn.dst, interp::Use::write);
    if (row.form == isa::Form::atomic) memory(insn.dst, interp::Use::read_write);
    if (row.form == isa::Form::atomic) ++atomics_;
    const std::uint32_t helper = proxy_.unit()->verified->facts()[at].call.helper;
    using enum exec::HelperId;
    if (is_one_of(helper, {map_lookup_elem})) ++lookups_;
    if (is_one_of(helper, {map_update_elem, map_delete_elem})) ++updates_;
    if (is_one_of(helper, {xdp_load_bytes, xdp_store_bytes})) reach_read_ = frame_->packet().size();
    if (is_one_of(helper, {xdp_store_bytes})) reach_written_ = frame_->packet().size();
  }

  void touch(interp::GuestAddress address, unsigned bytes, interp::Use use) {
    const interp::RegionKind kind = proxy_.kind_of(address);
    if (kind != interp::RegionKind::packet && kind != interp::RegionKind::map_value) return;
    const interp::Span span = proxy_.access(address, bytes, use);
    if (span.host == nullptr) return;
    if (kind == interp::RegionKind::packet) return touch_packet(span.offset - span.region->origin, bytes, use);
    if (use != interp::Use::write) map_read_ += bytes;
    if (use != interp::Use::read) map_written_ += bytes;
    map_sectors_.insert(reinterpret_cast<std::intptr_t>(span.host) / kSector);
  }

  void touch_packet(std::int64_t offset, unsigned bytes, interp::Use use) {
    packet_sectors_.insert(offset / kSector);
    packet_sectors_.insert((offset + bytes - 1) / kSector);
    for (std::int64_t at = std::max<std::int64_t>(offset, 0); at < offset + bytes; ++at) {
      if (at >= static_cast<std::int64_t>(kMostBytes)) return;
      (use == interp::Use::read ? read_ : written_).set(static_cast<std::size_t>(at));
    }
  }

  interp::Proxy& proxy_;
  const exec::Frame* frame_ = nullptr;
  std::size_t reach_read_ = 0, reach_written_ = 0;  // of helpers
  std::uint64_t instructions_ = 0, map_read_ = 0, map_written_ = 0, atomics_ = 0, lookups_ = 0, updates_ = 0;
  Bytes read_, written_;
  std::set<std::int64_t> packet_sectors_, map_sectors_;
  Counts counts_;
};

std::uint64_t sum_of(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const std::uint32_t count : counts) sum += count;
  return sum;
}

Efficiency efficiency_of(std::span<const Counts> packets, std::size_t group) {
  double work = 0, by_length = 0, by_path = 0;
  for (std::size_t at = 0; at < packets.size(); at += group) {
    const auto lanes = packets.subspan(at, std::min(group, packets.size() - at));
    std::uint64_t longest = 0;
    Counts most(lanes.front().size());
    for (const Counts& lane : lanes) {
      longest = std::max(longest, sum_of(lane));
      work += static_cast<double>(sum_of(lane));
      std::ranges::transform(lane, most, most.begin(), [](auto a, auto b) { return std::max(a, b); });
    }
    by_length += static_cast<double>(longest * lanes.size());
    by_path += static_cast<double>(sum_of(most) * lanes.size());
  }
  return {.by_length = work / by_length, .by_path = work / by_path};
}

void divide(Demand& sum, double packets) {
  for (double* figure : {&sum.instructions, &sum.packet_read, &sum.packet_written, &sum.packet_sectors, &sum.map_read,
                         &sum.map_written, &sum.map_sectors, &sum.atomics, &sum.lookups, &sum.updates}) {
    *figure /= packets;
  }
}

}  // namespace

Result<Demand> demand_of(const ExampleProgram& program, const std::vector<Packet>& packets) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(std::move(stage.error()));
  const auto& verified = stage->program().verified;
  interp::Proxy proxy({.environment = &syscall::process().runtime.environment, .ports = stage->ports()});
  proxy.set_program(verified);
  const auto& maps = stage->program().maps;
  for (std::uint32_t i = 0; i < maps.size(); ++i) {
    if (auto bound = proxy.units().bind(i, maps[i]->map); !bound) return std::unexpected(std::move(bound.error()));
  }
  Demand demand;
  std::vector<Counts> all;
  for (const Packet& packet : packets) {
    exec::Frame frame = *exec::Frame::make(packet);
    Walk walk(proxy, verified->program().instructions().size());
    if (auto ran = walk.run(frame); !ran) return std::unexpected(std::move(ran.error()));
    walk.add_to(demand);
    all.push_back(walk.counts());
  }
  divide(demand, static_cast<double>(packets.size()));
  demand.of32 = efficiency_of(all, 32);
  demand.of64 = efficiency_of(all, 64);
  return demand;
}

}  // namespace forager::bench

// SPDX-License-Identifier: Apache-2.0
#include "exec/invocation.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "exec/host_helpers.h"
#include "exec/skb.h"
#include "exec/spin_lock.h"
#include "exec/verdict.h"

namespace forager::exec {
namespace {

// All but pointers to kernel code and data.
bool runs(isa::Op op) {
  using isa::Op;
  constexpr Op kOthers[] = {Op::callx, Op::call_kfunc, Op::lddw_map_fd, Op::lddw_map_value, Op::lddw_btf_id};
  return std::ranges::find(kOthers, op) == std::end(kOthers);
}

}  // namespace

std::size_t discard_open_records(RunContext& run) {
  for (const DynptrMemory& memory : run.dynptrs.entries()) {
    if (memory.ring != nullptr && !memory.ended) run.open_records.push_back({memory.base, memory.ring});
  }
  const std::size_t left = run.open_records.size();
  for (const OpenRecord& record : run.open_records) record.ring->commit(record.memory, 0, true);
  run.open_records.clear();
  return left;
}

Diagnostic left_open(std::size_t records) {
  return {.kind = ErrorKind::rejected,
          .error = EINVAL,
          .message = "the program ends with " + std::to_string(records) +
                     " ring-buffer records neither submitted nor discarded"};
}

void let_go(RunContext& run) {
  if (run.spin_lock != nullptr) unlock_value(*std::exchange(run.spin_lock, nullptr));
  run.dynptrs.clear();
  run.held.clear();
}

void set_results(Frame& frame, isa::ProgType type, std::uint64_t r0, std::unique_ptr<Diagnostic> trap) {
  if (trap == nullptr) {
    frame.return_value = type == isa::ProgType::raw_memory ? r0 : static_cast<std::uint32_t>(r0);
    return;
  }
  frame.clear_results();
  frame.return_value = safe_verdict(type);
  frame.change_results().trap = std::move(trap);
}

std::optional<std::uint64_t> load_packet(Frame& frame, std::uint32_t index, std::uint32_t bytes) {
  constexpr std::int64_t kNetwork = -0x100000, kLink = -0x200000;
  std::int64_t at = static_cast<std::int32_t>(index);
  if (at >= 0) {
    at += frame.data();
  } else if (at >= kNetwork && frame.skb != nullptr) {
    at += frame.skb->network_header - kNetwork;
  } else if (at >= kLink && frame.skb != nullptr) {
    at += frame.skb->mac_header - kLink;
  }
  const std::int64_t first = frame.skb != nullptr ? std::min(frame.skb->mac_header, frame.data()) : frame.data();
  if (at < first || at + bytes > frame.packet_end()) return std::nullopt;
  const std::byte* from = frame.buffer() + at;
  std::uint64_t value = 0;
  for (std::uint32_t i = 0; i < bytes; ++i) value = value << 8 | std::to_integer<std::uint64_t>(from[i]);
  return value;
}

Capabilities host_capabilities() {
  Capabilities able;
  able.helpers = host_helpers();
  able.helpers.set(static_cast<std::size_t>(HelperId::tail_call));
  for (const isa::MapRow& row : isa::maps()) {
    able.map_types.set(static_cast<std::size_t>(row.type), row.status == "runs");
  }
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    if (row.status == "runs") able.program_types.push_back(row.type);
  }
  for (const isa::Row& row : isa::rows()) able.ops.set(static_cast<std::size_t>(row.op), runs(row.op));
  return able;
}

std::uint64_t run_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace forager::exec

// SPDX-License-Identifier: Apache-2.0
//
// Data on its way to user space: perf buffers (net/core/filter.c bpf_xdp_event_output, kernel/trace/bpf_trace.c
// __bpf_perf_event_output) and ring buffers (kernel/bpf/ringbuf.c).
//
// A record is told to bpf_ringbuf_submit without its map; run.open_records remembers where it came from.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>

#include "helpers/functions.h"
#include "isa/sets.h"

namespace forager::helpers {
namespace {

constexpr u64 kWakeupFlags = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;

exec::RingProducer& ring(u64 argument) { return *map(argument).abilities().ring; }

void close_record(RunContext& run, u64 record, u64 flags, bool discard) {
  const auto open = std::ranges::find(run.open_records, pointer<void>(record), &exec::OpenRecord::memory);
  if (open == run.open_records.end()) return;
  open->ring->commit(open->memory, flags, discard);
  run.open_records.erase(open);
}

bool sees_packet(const RunContext& run) {
  return (isa::set_of(run.program->program().type()) & (isa::sets::kSkb | isa::sets::xdp)) != 0;
}

}  // namespace

// The sample is the program's data followed by as much of the packet as the flags ask for, of types that have one.
u64 perf_event_output(RunContext& run, u64, u64 a, u64 flags, u64 data, u64 size) {
  if ((flags & ~(u64{BPF_F_INDEX_MASK} | (sees_packet(run) ? u64{BPF_F_CTXLEN_MASK} : 0))) != 0) return result(-EINVAL);
  const std::span<const std::byte> packet = run.frame->packet();
  const u64 packet_size = (flags & BPF_F_CTXLEN_MASK) >> 32;
  if (packet_size > packet.size()) return result(-EFAULT);
  u64 index = flags & BPF_F_INDEX_MASK;
  if (index == BPF_F_CURRENT_CPU) index = run.cpu;
  if (index >= map(a).spec().max_entries) return result(-E2BIG);
  const auto sink = map(a).abilities().perf->get(static_cast<std::uint32_t>(index));
  if (sink == nullptr) return result(-ENOENT);
  return result(sink->write(bytes(data, size), packet.first(packet_size)));
}

u64 ringbuf_output(RunContext&, u64 a, u64 data, u64 size, u64 flags, u64) {
  if ((flags & ~kWakeupFlags) != 0) return result(-EINVAL);
  return result(ring(a).output(pointer<void>(data), size, flags));
}

u64 ringbuf_reserve(RunContext& run, u64 a, u64 size, u64 flags, u64, u64) {
  if (flags != 0) return 0;
  void* record = ring(a).reserve(size);
  if (record != nullptr) run.open_records.push_back({record, &ring(a)});
  return reinterpret_cast<u64>(record);
}

u64 ringbuf_submit(RunContext& run, u64 record, u64 flags, u64, u64, u64) {
  close_record(run, record, flags, false);
  return 0;
}

u64 ringbuf_discard(RunContext& run, u64 record, u64 flags, u64, u64, u64) {
  close_record(run, record, flags, true);
  return 0;
}

u64 ringbuf_query(RunContext&, u64 a, u64 what, u64, u64, u64) { return ring(a).query(what); }

}  // namespace forager::helpers

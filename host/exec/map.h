// SPDX-License-Identifier: Apache-2.0
//
// Map: one key/value store, as programs and the host see it.
//
// Two sides use a map. The *program side* (helpers, JITs) works on one lane: it gets the address of a value in place
// and sees one value per CPU in per-CPU maps. The *host side* (bpf(2), the library) copies: values are whole (never
// torn, ../shared/design/architecture.md "Map coherence contract"), and per-CPU values travel as one buffer of
// possible-CPU slots, each rounded up to 8 bytes, as in Linux.
//
// Every operation may be called from any thread at any time; lookups take no lock. Functions return 0 or a negative
// errno with the kernel's meaning. Addresses returned by lookup() stay readable memory of the map until it is
// destroyed; after the key is deleted the slot may be reused for another key, as with Linux's preallocated maps.
//
// Tested by: tests/unit/maps_*_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "program/program.h"
#include "verifier/verify.h"

namespace forager::exec {

using program::MapSpec;

// Producer side of a RINGBUF map (kernel/bpf/ringbuf.c layout; flags are BPF_RB_*).
class RingProducer {
 public:
  virtual ~RingProducer() = default;
  // 8-byte aligned record memory of `size` bytes, or nullptr (full, or size over the ring).
  virtual void* reserve(std::uint64_t size) = 0;
  virtual void commit(void* record, std::uint64_t flags, bool discard) = 0;
  virtual int output(const void* data, std::uint64_t size, std::uint64_t flags) = 0;
  virtual std::uint64_t query(std::uint64_t what) const = 0;  // BPF_RB_AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS
  virtual std::uint64_t lost() const = 0;                     // records refused because the ring was full
};

// One perf buffer, as a perf_event fd of type PERF_COUNT_SW_BPF_OUTPUT is in Linux.
class PerfSink {
 public:
  virtual ~PerfSink() = default;
  // Appends one PERF_RECORD_SAMPLE of the two parts; 0 or -ENOSPC (counted as lost and reported by a LOST record).
  virtual int write(std::span<const std::byte> first, std::span<const std::byte> second) = 0;
  virtual std::uint64_t lost() const = 0;
};
class PerfTable {
 public:
  virtual ~PerfTable() = default;
  virtual int set(std::uint32_t index, std::shared_ptr<PerfSink> sink) = 0;  // null clears
  virtual std::shared_ptr<PerfSink> get(std::uint32_t index) const = 0;
};

// PROG_ARRAY: what bpf_tail_call jumps to. A device that follows a tail call meets a program that nobody loaded into
// it, so the slot brings the program's maps along, by index as in Program::maps() (null where it has none). A map of
// that list may be the PROG_ARRAY itself: whoever owns the array clears it with its last user reference, as Linux does.
using MapList = std::vector<std::shared_ptr<class Map>>;
struct ProgramSlot {
  std::uint32_t id = 0;  // the runtime's program id
  std::shared_ptr<const verifier::VerifiedProgram> program;
  std::shared_ptr<const MapList> maps;
};
class ProgramTable {
 public:
  virtual ~ProgramTable() = default;
  virtual int set(std::uint32_t index, ProgramSlot slot) = 0;  // an empty slot clears
  virtual ProgramSlot get(std::uint32_t index) const = 0;      // empty if unset
};

// Abilities some map types have beyond key/value; null where absent. Owned by the map.
struct MapAbilities {
  RingProducer* ring = nullptr;
  PerfTable* perf = nullptr;
  ProgramTable* programs = nullptr;
};

// Memory that stands behind a map and may be mapped into user space or addressed directly by programs
// (arrays, ring buffers). fd is a memfd owned by the map; -1 where there is none.
struct MapMemory {
  int fd = -1;
  std::byte* base = nullptr;  // first value (arrays) or the consumer page (ring buffers)
  std::size_t size = 0;       // bytes
};

struct MapUsage {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // all memory the map holds
};

class Map {
 public:
  virtual ~Map() = default;
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  [[nodiscard]] const MapSpec& spec() const { return spec_; }
  [[nodiscard]] const MapAbilities& abilities() const { return abilities_; }

  // Program side. `cpu` is the lane, below the CPU count the map was made for. flags: BPF_ANY, BPF_NOEXIST, BPF_EXIST.
  [[nodiscard]] virtual void* lookup(const void* key, unsigned cpu) = 0;
  [[nodiscard]] virtual int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) = 0;
  [[nodiscard]] virtual int erase(const void* key) = 0;

  // Host side. next_key(nullptr, ...) gives the first key; a key that is gone restarts; -ENOENT at the end.
  // Buffers of read and write are host_value_size(spec, cpus) bytes.
  [[nodiscard]] virtual int next_key(const void* key, void* next) = 0;
  [[nodiscard]] virtual int read(const void* key, void* value, std::uint64_t flags) = 0;
  [[nodiscard]] virtual int write(const void* key, const void* value, std::uint64_t flags) = 0;

  [[nodiscard]] virtual MapMemory memory() const { return {}; }
  [[nodiscard]] virtual MapUsage usage() const = 0;

 protected:
  explicit Map(MapSpec spec) : spec_(std::move(spec)) {}
  MapAbilities abilities_;

 private:
  MapSpec spec_;
};

// Bytes of one value as the host passes it: value_size, or cpus slots of round_up(value_size, 8) for per-CPU maps.
[[nodiscard]] inline std::size_t host_value_size(const MapSpec& spec, unsigned cpus) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  if (row == nullptr || !row->per_cpu) return spec.value_size;
  return std::size_t{(spec.value_size + 7U) & ~7U} * cpus;
}

}  // namespace forager::exec

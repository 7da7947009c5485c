// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs: the 16 bytes that stand for a piece of memory whose size is known at run time only (struct bpf_dynptr;
// kernel/bpf/helpers.c).
//
// A program cannot look into the 16 bytes. Ours hold no address: they name an entry of the invocation's table, where
// the memory is, so that an engine which checks everything can check them too, and a slice is told in the same terms.
//
// Tested by: tests/unit/interp_dynptr_test.cc.
#pragma once

#include <cstdint>
#include <vector>

namespace forager::exec {

class RingProducer;

// What stands in the program's stack. All zero: a null dynptr, on which every helper fails.
struct Dynptr {
  std::uint64_t entry = 0;  // number in the DynptrTable, from 1
  std::uint32_t size = 0;   // bytes from `offset` on
  std::uint32_t offset = 0;
};
static_assert(sizeof(Dynptr) == 16);

struct DynptrMemory {
  std::byte* base = nullptr;
  std::uint32_t size = 0;
  bool writable = true;
  RingProducer* ring = nullptr;  // of a ring-buffer record; null: local memory
  bool ended = false;            // submitted or discarded
};

class DynptrTable {
 public:
  static constexpr std::uint32_t kMaxBytes = (1U << 24) - 1;  // DYNPTR_MAX_SIZE

  void clear() { entries_.clear(); }
  // A dynptr of this memory; null where there are too many in one invocation.
  [[nodiscard]] Dynptr add(const DynptrMemory& memory) {
    if (entries_.size() >= kMaxEntries) return {};
    entries_.push_back(memory);
    return {.entry = entries_.size(), .size = memory.size};
  }
  // Null for a null dynptr, and for one whose memory is gone or smaller than it says.
  [[nodiscard]] DynptrMemory* find(const Dynptr& dynptr) {
    if (dynptr.entry == 0 || dynptr.entry > entries_.size()) return nullptr;
    DynptrMemory& memory = entries_[dynptr.entry - 1];
    const bool inside = std::uint64_t{dynptr.offset} + dynptr.size <= memory.size;
    return memory.ended || !inside ? nullptr : &memory;
  }
  [[nodiscard]] std::vector<DynptrMemory>& entries() { return entries_; }

 private:
  static constexpr std::size_t kMaxEntries = std::size_t{1} << 20;
  std::vector<DynptrMemory> entries_;
};

}  // namespace forager::exec

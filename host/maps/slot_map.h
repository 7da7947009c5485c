// SPDX-License-Identifier: Apache-2.0
//
// SlotMap: what maps share whose elements fit a word (ports, CPUs, sockets, cgroups) and stand at an index: DEVMAP,
// CPUMAP, XSKMAP, CGROUP_ARRAY. A word of 0 is an empty slot, so that every operation is one atomic load or exchange.
// Memory is touched as it is used.
//
// A value is the first value_size bytes of the word. What an update takes is the type's own; the rest is here, as most
// of the types have it.
//
// Tested by: tests/unit/maps_model_test.cc, maps_slots_test.cc.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "exec/map.h"
#include "maps/array_keys.h"
#include "maps/memory.h"
#include "maps/types.h"
#include "maps/words.h"

namespace forager::maps {

class WordSlots {
 public:
  // ENOMEM.
  [[nodiscard]] Result<> open(std::uint32_t size) {
    auto slots = Region::reserve(std::uint64_t{size} * kWordBytes);
    if (!slots) return std::unexpected(slots.error());
    slots_ = std::move(*slots);
    size_ = size;
    return {};
  }

  // 0 if the slot is empty, or there is none.
  [[nodiscard]] Word get(std::uint32_t index) const { return index < size_ ? load_word(at(index)) : 0; }
  // The word in place, for programs; null as get() gives 0.
  [[nodiscard]] void* find(std::uint32_t index) const { return get(index) != 0 ? at(index) : nullptr; }
  // The word that was there. The slot exists.
  Word set(std::uint32_t index, Word word) {
    const Word old = __atomic_exchange_n(stored(index), word, __ATOMIC_ACQ_REL);
    count(old, word);
    return old;
  }
  // Puts `word` where `old` stands, and says whether it did.
  bool replace(std::uint32_t index, Word old, Word word) {
    if (!__atomic_compare_exchange_n(stored(index), &old, word, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      return false;
    count(old, word);
    return true;
  }

  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return slots_.size(); }

 private:
  [[nodiscard]] std::byte* at(std::uint32_t index) const { return slots_.base() + index * kWordBytes; }
  [[nodiscard]] StoredWord* stored(std::uint32_t index) const { return reinterpret_cast<StoredWord*>(at(index)); }
  void count(Word old, Word word) {
    used_.fetch_add((word != 0 ? 1U : 0U) - (old != 0 ? 1U : 0U), std::memory_order_relaxed);
  }

  Region slots_;
  std::uint32_t size_ = 0;
  std::atomic<std::uint32_t> used_{0};
};

class SlotMap : public exec::Map {
 public:
  // ENOMEM.
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void* key, unsigned) override { return slots_.find(index_of(key)); }
  int erase(const void* key) override {
    const std::uint32_t index = index_of(key);
    if (index >= spec().max_entries) return -EINVAL;
    slots_.set(index, 0);
    return 0;
  }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }
  int read(const void* key, void* value, std::uint64_t flags) override {
    const Word word = slots_.get(index_of(key));
    if (flags != 0) return -EINVAL;
    if (word == 0) return -ENOENT;
    std::memcpy(value, &word, spec().value_size);
    return 0;
  }
  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }
  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 protected:
  explicit SlotMap(exec::MapSpec spec) : Map(std::move(spec)) {}
  [[nodiscard]] WordSlots& slots() { return slots_; }

 private:
  WordSlots slots_;
};

}  // namespace forager::maps

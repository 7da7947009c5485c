// SPDX-License-Identifier: Apache-2.0
//
// QUEUE and STACK: values without keys, at most max_entries (kernel/bpf/queue_stack_maps.c). Both are a ring of values
// under one lock, as in Linux, and differ in the end from which pop() takes: the oldest value or the newest. A push
// with BPF_EXIST into a full map drops the oldest value of either.
//
// For bpf(2), a lookup-and-delete pops.
//
// Tested by: tests/unit/maps_values_test.cc (a model, and the kernel), maps_values_concurrency_test.cc.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "exec/map.h"
#include "maps/lock.h"
#include "maps/memory.h"
#include "maps/snapshot.h"
#include "maps/types.h"
#include "maps/value_map.h"

namespace forager::maps {

class ElementRing final : public ValueMap, public exec::ValueList, public Snapshot {
 public:
  enum class Takes : std::uint8_t { oldest, newest };
  ElementRing(exec::MapSpec spec, Region values, Takes takes);

  int push(const void* value, std::uint64_t flags) override;
  int pop(void* value) override { return copy(value, true); }
  int peek(void* value) override { return copy(value, false); }

  int erase(const void*) override { return -EINVAL; }
  int next_key(const void*, void*) override { return -EINVAL; }
  int take(const void*, void* value, std::uint64_t flags) override { return flags != 0 ? -EINVAL : pop(value); }
  [[nodiscard]] exec::MapUsage usage() const override;
  // The values, oldest first.
  [[nodiscard]] std::vector<std::byte> copy_out() const override;
  [[nodiscard]] bool copy_in(std::span<const std::byte> bytes) override;
  std::uint64_t change(std::uint64_t oldest, std::uint64_t newest, std::span<const std::byte> pushed) override;

 private:
  int copy(void* value, bool remove);
  void drop(std::uint64_t count, bool oldest);
  [[nodiscard]] std::byte* at(std::uint64_t number) const;  // of the values in the ring, from the oldest on

  Takes takes_;
  Region values_;
  mutable Lock lock_;
  // Guarded by lock_.
  std::uint32_t first_ = 0;  // where the oldest value stands
  std::uint32_t count_ = 0;
};

// ENOMEM, and attributes as Linux's queue_stack_map_alloc_check refuses them.
[[nodiscard]] MapResult make_element_ring(exec::MapSpec spec, ElementRing::Takes takes);

}  // namespace forager::maps

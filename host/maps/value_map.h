// SPDX-License-Identifier: Apache-2.0
//
// ValueMap: what QUEUE, STACK and BLOOM_FILTER share: there are values and no keys. bpf(2) reaches them by an update,
// which pushes, and a lookup, which peeks; what is done by key is refused.
//
// Tested by: tests/unit/maps_values_test.cc.
#pragma once

#include <cerrno>
#include <cstdint>
#include <utility>

#include "exec/map.h"

namespace forager::maps {

class ValueMap : public exec::Map, public exec::ValueStore {
 public:
  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EINVAL; }
  int read(const void*, void* value, std::uint64_t flags) override { return flags != 0 ? -EINVAL : peek(value); }
  int write(const void*, const void* value, std::uint64_t flags) override { return push(value, flags); }

 protected:
  explicit ValueMap(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.values = this; }
};

}  // namespace forager::maps

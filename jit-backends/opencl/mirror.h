// SPDX-License-Identifier: Apache-2.0
//
// Mirror: a map's table in device memory (tables.h, runtime.cl) while a batch runs, and the map on the host that it
// stands for.
//
// put() makes the table of what the host has; take() gives the host what the device changed since: keys that came and
// went, and words of values. What the host wrote meanwhile stays, key by key and word by word, where the device did
// nothing. Nothing that the device says is trusted to be a table: numbers out of range end where they are found.
//
// Tested by: tests/unit/opencl_maps_test.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "exec/map.h"
#include "jit-backends/opencl/tables.h"

namespace forager::jit::opencl {

class Mirror {
 public:
  virtual ~Mirror() = default;
  virtual void put(std::span<std::byte> table) = 0;
  virtual void take(std::span<const std::byte> table) = 0;
};

// What becomes of a word that the device changed. Where programs do nothing to values but add, what they added is added
// on the host too: so no increment is lost, whoever else counts there meanwhile.
enum class Merge : std::uint8_t { store, add64, add32 };
[[nodiscard]] Merge merge_of(const verifier::VerifiedProgram& program, std::uint32_t map);

struct MirrorUse {
  unsigned cpu = 0;    // of the first lane
  unsigned lanes = 1;  // of per-CPU maps
  Merge merge = Merge::store;
};

// Null: there is no table. The map outlives it.
[[nodiscard]] std::unique_ptr<Mirror> make_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_hash_mirror(const Table& table, exec::Map& map, const MirrorUse& use);

// Values of the host's, word by word as programs see them; `bytes` a multiple of 8.
void value_from_host(std::byte* host, std::span<std::byte> to);
void changes_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host, Merge merge);
// Keys of a map, as many as it may have at the most.
void each_key(exec::Map& map, const std::function<void(const std::byte* key)>& visit);

// The hash that fg_hash_of() has of a key in whole words.
[[nodiscard]] std::uint32_t hash_of_words(std::span<const std::byte> key);

}  // namespace forager::jit::opencl

// SPDX-License-Identifier: Apache-2.0
//
// Mirror: a map's table (tables.h) where programs run, and the map on the host that it stands for; or the routing
// tables, or what programs print.
//
// put() makes the table agree with the host; take() gives the host what the device changed since: keys that came and
// went, and words of values. Where the device shares the host's memory, values stay where the host has them, and only
// the keys' table is a second thing, made anew if the host's generation is another. Where it does not, values travel:
// what the host wrote meanwhile stays, word by word, where the device did nothing. Nothing that the device says is
// trusted to be a table: numbers out of range end where they are found.
//
// Tested by: tests/unit/opencl_maps_test.cc, opencl_lpm_test.cc, opencl_queues_test.cc, opencl_rings_test.cc,
// opencl_trace_test.cc, opencl_fib_test.cc.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "exec/environment.h"
#include "exec/map.h"
#include "jit-backends/opencl/tables.h"

namespace forager::jit::opencl {

class Mirror {
 public:
  virtual ~Mirror() = default;
  // Of the table, which is the same memory from call to call. 0: there is none.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  // `at`: what programs call the table's first byte: its address, or an offset in all tables.
  virtual void put(std::span<std::byte> table, std::uint64_t at) = 0;
  virtual void take(std::span<std::byte> table) = 0;
  // Whether bytes() are enough for what the host has now.
  [[nodiscard]] virtual bool fits() const { return true; }
  // What a lane calls the map's first byte.
  [[nodiscard]] virtual std::uint64_t place(std::uint64_t at, unsigned lane) const = 0;
};

// What becomes of a word that the device changed. Where programs do nothing to values but add, what they added is added
// on the host too: so no increment is lost, whoever else counts there meanwhile.
enum class Merge : std::uint8_t { store, add64, add32 };
[[nodiscard]] Merge merge_of(const verifier::VerifiedProgram& program, std::uint32_t map);

// What a map of maps has under a key, in whole words: a map of the kernel, by number.
struct InnerMap {
  std::vector<std::byte> key;
  std::uint32_t map = 0;
};

struct MirrorUse {
  unsigned cpu = 0;     // of the first lane
  unsigned lanes = 1;   // of per-CPU maps
  bool shared = false;  // the device sees the host's memory at the host's addresses
  bool changed = true;  // programs change values, or keys
  bool strict = false;  // packets have their effects in their order
  Merge merge = Merge::store;
  std::vector<std::uint32_t> programs;  // PROG_ARRAY: of the kernel, by index, from 1
  std::vector<InnerMap> inner;          // maps of maps
};

// Null: there is no table. The map outlives it.
[[nodiscard]] std::unique_ptr<Mirror> make_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_hash_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_lpm_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_list_mirror(const Table& table, exec::Map& map);
[[nodiscard]] std::unique_ptr<Mirror> make_bloom_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_ring_mirror(const Table& table, exec::Map& map, const MirrorUse& use);
[[nodiscard]] std::unique_ptr<Mirror> make_perf_mirror(const Table& table, exec::Map& map, const MirrorUse& use);

[[nodiscard]] std::unique_ptr<Mirror> make_inner_mirror(const Table& table, const MirrorUse& use);

// What programs print; the environment has the helper, and outlives it.
[[nodiscard]] std::unique_ptr<Mirror> make_trace_mirror(const exec::Environment& environment, unsigned cpu,
                                                        unsigned lanes);
[[nodiscard]] std::uint64_t trace_bytes_of(unsigned lanes);  // of one
// The routing tables, which outlive it.
[[nodiscard]] std::unique_ptr<Mirror> make_fib_mirror(const exec::FibTable& tables);

// Values of the host's, word by word as programs see them; `bytes` a multiple of 8.
void value_from_host(std::byte* host, std::span<std::byte> to);
void changes_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host, Merge merge);
// Keys of a map, as many as it may have at the most.
void each_key(exec::Map& map, const std::function<void(const std::byte* key)>& visit);

template <class T>
[[nodiscard]] T value_at(std::span<const std::byte> bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
template <class T>
void put_value(std::span<std::byte> bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// The hash that fg_hash_of() has of a key in whole words.
[[nodiscard]] std::uint32_t hash_of_words(std::span<const std::byte> key);

}  // namespace forager::jit::opencl

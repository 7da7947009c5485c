// SPDX-License-Identifier: Apache-2.0
//
// A map twice: as the engine's tables have it, filled from and emptied into one of the host's maps, and as another of
// the host's maps has it, to which the same was done.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <set>
#include <vector>

#include "exec/map.h"
#include "jit-backends/rtl/chip_maps.h"
#include "tests/rtl/map_engine_rig.h"

namespace forager::rtl {

using MapRef = std::shared_ptr<exec::Map>;
using Random = std::mt19937_64;

struct Shape {
  isa::MapType type{};
  std::uint32_t key_size = 4, value_size = 4, max_entries = 1;
  unsigned keys = 8;  // of how many operations are
};
std::ostream& operator<<(std::ostream& out, const Shape& shape);

class Twin {
 public:
  // `seed` is of the engine's hash function: half of the keys share two buckets. `inner`: of maps of maps, what they
  // hold.
  Twin(const Shape& shape, std::uint32_t number, std::uint32_t seed, Random& random, const Twin* inner = nullptr);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] const jit::rtl::ChipKind& kind() const { return *kind_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }
  void set_number(std::uint32_t number) { number_ = number; }
  [[nodiscard]] const MapRef& chip() const { return chip_; }
  [[nodiscard]] const MapRef& host() const { return host_; }

  [[nodiscard]] Bytes some_key(Random& random) const;
  [[nodiscard]] Bytes some_value(Random& random) const;

  // As user space does it, to both.
  void change(Random& random);
  // What user space reads of both is the same.
  [[nodiscard]] bool same() const;
  [[nodiscard]] std::map<Bytes, Bytes> entries() const;

  // LRU: keys that were used since the tables were filled.
  void use(const Bytes& key) { used_.insert(key); }
  void forget(const Bytes& key) { used_.erase(key); }
  void forget_all() { used_.clear(); }
  // The engine's hash table makes sense: each node is in one chain, or free, or the spare one; and those are marked
  // that were used.
  [[nodiscard]] bool sound(MapEngine& engine, const jit::rtl::ChipMap& tables) const;
  // An LRU map of the engine made room: so does the other.
  void follow_evictions() const;

 private:
  [[nodiscard]] Bytes make_key(Random& random) const;
  [[nodiscard]] bool collides(const Bytes& key, std::uint32_t seed) const;

  Shape shape_;
  const jit::rtl::ChipKind* kind_;
  std::uint32_t number_;
  MapRef chip_, host_;
  std::vector<Bytes> keys_;
  std::set<Bytes> used_;
};

}  // namespace forager::rtl

// SPDX-License-Identifier: Apache-2.0
//
// ARRAY_OF_MAPS and HASH_OF_MAPS: which map's descriptor a key has. A kernel's maps are gathered anew once that changes
// (group.h), so that these tables stay as they are made.
#include <algorithm>

#include "jit-backends/opencl/batch.h"
#include "jit-backends/opencl/hash_layout.h"

namespace forager::jit::opencl {
namespace {

std::uint64_t word_of(std::uint32_t map) { return std::uint64_t{map} * sizeof(MapDescriptor) + 1; }

class InnerMirror : public Mirror {
 public:
  InnerMirror(const Table& table, const MirrorUse& use) : table_(table), inner_(use.inner) {}
  std::uint64_t bytes() const override { return table_.bytes(1); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }
  void take(std::span<std::byte>) override {}

 protected:
  Table table_;
  std::vector<InnerMap> inner_;
};

class ArrayOfMapsMirror final : public InnerMirror {
 public:
  using InnerMirror::InnerMirror;
  void put(std::span<std::byte> table, std::uint64_t) override {
    std::ranges::fill(table, std::byte{0});
    for (const InnerMap& inner : inner_) {
      const auto index = value_at<std::uint32_t>(inner.key, 0);
      if (index < table_.entries) put_value(table, std::size_t{8} * index, word_of(inner.map));
    }
  }
};

class HashOfMapsMirror final : public InnerMirror {
 public:
  using InnerMirror::InnerMirror;
  void put(std::span<std::byte> table, std::uint64_t at) override {
    const HashLayout layout(table_, 1);
    layout.clear(table);
    std::uint32_t nodes = 0;
    for (const InnerMap& inner : inner_) {
      if (nodes == table_.entries || !layout.add(table, inner.key, nodes + 1)) continue;
      const std::size_t node = layout.node_at(++nodes);
      put_value(table, node + HashLayout::kPlace, at + node + table_.value_in_node());
      put_value(table, node + table_.value_in_node(), word_of(inner.map));
    }
    layout.finish(table, nodes);
  }
};

}  // namespace

std::unique_ptr<Mirror> make_inner_mirror(const Table& table, const MirrorUse& use) {
  if (table.kind == TableKind::inner_array) return std::make_unique<ArrayOfMapsMirror>(table, use);
  return std::make_unique<HashOfMapsMirror>(table, use);
}

}  // namespace forager::jit::opencl

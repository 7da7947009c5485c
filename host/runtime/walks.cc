// SPDX-License-Identifier: Apache-2.0
#include "runtime/walks.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace forager::runtime {
namespace {

using Bytes = std::vector<std::byte>;

// ---- struct bpf_map, as far as programs may read it ----------------------------------------------------------------

struct MapNumber {
  std::string_view name;
  std::uint64_t (*of)(const MapObject&);
};
constexpr MapNumber kMapNumbers[] = {
    {"map_type", [](const MapObject& map) { return std::uint64_t{static_cast<std::uint32_t>(map.spec().type)}; }},
    {"key_size", [](const MapObject& map) { return std::uint64_t{map.spec().key_size}; }},
    {"value_size", [](const MapObject& map) { return std::uint64_t{map.spec().value_size}; }},
    {"max_entries", [](const MapObject& map) { return std::uint64_t{map.spec().max_entries}; }},
    {"map_extra", [](const MapObject& map) { return map.spec().extra; }},
    {"map_flags", [](const MapObject& map) { return std::uint64_t{map.spec().flags}; }},
    {"id", [](const MapObject& map) { return std::uint64_t{map.id}; }},
};

void put(const isa::KernelMember& member, const MapObject& map, std::byte* to) {
  if (member.name == "name") {
    std::memcpy(to, map.spec().name.data(), std::min<std::size_t>(map.spec().name.size(), member.size));
    return;
  }
  const auto* const row = std::ranges::find(kMapNumbers, member.name, &MapNumber::name);
  const std::uint64_t number = row == std::end(kMapNumbers) ? 0 : row->of(map);
  std::memcpy(to, &number, std::min<std::size_t>(member.size, sizeof number));
}

Bytes view_of(const program::Source& program, const MapObject& map) {
  Bytes view;
  for (const isa::KernelMember& member : program.members) {
    if (member.of != isa::KernelStruct::bpf_map) continue;
    view.resize(std::max<std::size_t>(view.size(), std::size_t{member.offset} + member.size));
    put(member, map, view.data() + member.offset);
  }
  return view;
}

// ---- walks ---------------------------------------------------------------------------------------------------------

// The elements of a map (kernel/bpf/hashtab.c, arraymap.c). Programs see a value where it stands, and may change it
// there; per-CPU values, and those with locks and timers in them, are copies.
class MapElements final : public Walk {
 public:
  MapElements(const Runtime& runtime, const program::Source& program, const MapObject& of)
      : map_(*of.map), elements_(*map_.abilities().elements), view_(view_of(program, of)), key_(map_.spec().key_size) {
    if (is_per_cpu() || !map_.spec().fields.empty()) {
      copy_.resize(exec::host_value_size(map_.spec(), runtime.environment.cpus));
    }
  }

  bool next() override {
    Bytes following(key_.size());
    if (elements_.next(began_ ? key_.data() : nullptr, following.data()) != 0) return false;
    began_ = true;
    key_.swap(following);
    return true;
  }

  bool show(exec::Visit& visit) override {
    visit.map = view_;
    visit.key = key_;
    if (!copy_.empty()) {
      visit.value = copy_;
      return map_.read(key_.data(), copy_.data(), 0) == 0;
    }
    auto* const value = static_cast<std::byte*>(elements_.peek(key_.data(), 0));
    visit.value = std::span(value, map_.spec().value_size);
    visit.value_map = &map_;
    return value != nullptr;
  }

  void show_end(exec::Visit& visit) override { visit.map = view_; }

 private:
  [[nodiscard]] bool is_per_cpu() const { return isa::find_map(static_cast<std::uint32_t>(map_.spec().type))->per_cpu; }

  exec::Map& map_;
  exec::Elements& elements_;
  const Bytes view_;
  Bytes key_, copy_;
  bool began_ = false;
};

// All maps of the runtime, by their ids.
class Maps final : public Walk {
 public:
  Maps(const Runtime& runtime, const program::Source& program) : runtime_(runtime), program_(program) {}

  bool next() override {
    const auto id = runtime_.maps().next(id_);
    id_ = id.value_or(id_);
    return id.has_value();
  }

  bool show(exec::Visit& visit) override {
    const auto map = runtime_.maps().find(id_);
    if (map == nullptr) return false;
    view_ = view_of(program_, *map);
    visit.map = view_;
    return true;
  }

 private:
  const Runtime& runtime_;
  const program::Source& program_;
  Bytes view_;
  std::uint32_t id_ = 0;
};

struct WalkRow {
  std::string_view name;  // as in isa/iterators.def
  std::unique_ptr<Walk> (*make)(const Runtime&, const program::Source&, const MapObject*);
};
constexpr WalkRow kWalks[] = {
    {"bpf_map_elem",
     [](const Runtime& runtime, const program::Source& program, const MapObject* map) -> std::unique_ptr<Walk> {
       return map == nullptr ? nullptr : std::make_unique<MapElements>(runtime, program, *map);
     }},
    {"bpf_map",
     [](const Runtime& runtime, const program::Source& program, const MapObject*) -> std::unique_ptr<Walk> {
       return std::make_unique<Maps>(runtime, program);
     }},
};

}  // namespace

std::unique_ptr<Walk> walk_for(const Runtime& runtime, const program::Source& program, const MapObject* map) {
  if (program.iterator == nullptr) return nullptr;
  const auto* const row = std::ranges::find(kWalks, program.iterator->name, &WalkRow::name);
  return row == std::end(kWalks) ? nullptr : row->make(runtime, program, map);
}

}  // namespace forager::runtime

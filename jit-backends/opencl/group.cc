// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "jit-backends/opencl/lower.h"
#include "jit-backends/opencl/refusals.h"
#include "program/map_shape.h"

namespace forager::jit::opencl {
namespace {

using verifier::MapUse;

// Goes up when a PROG_ARRAY, or a map of maps, has others in it. Read before one looks.
std::uint64_t changes_in(exec::Map& map) {
  if (const auto* programs = map.abilities().programs; programs != nullptr)
    return programs->changes().load(std::memory_order_acquire);
  return map.abilities().maps == nullptr ? 0 : map.generation().value_or(0);
}

class Gatherer {
 public:
  explicit Gatherer(const OpenclImage& image) : image_(image) {}

  Result<Group> gather(const Maps& maps) {
    add(image_.source().programs.front(), maps);
    if (members_.size() == 1 && is_as_compiled()) {
      group_.source = image_.source();
    } else {
      if (auto lowered = lower_members(); !lowered) return std::unexpected(std::move(lowered.error()));
    }
    if (auto added = add_inner_maps(); !added) return std::unexpected(std::move(added.error()));
    group_.changes = changes_;
    if (group_.maps.size() <= kMostMaps) return std::move(group_);
    auto error = fail(ErrorKind::limit, E2BIG, "maps of a program and those that it reaches");
    error.error().limit = kMostMaps;
    error.error().asked = group_.maps.size();
    return error;
  }

 private:
  [[nodiscard]] Diagnostic named(Diagnostic error, std::size_t member) const {
    error.message = fmt::format("program {}, the target of a tail call: {}", members_[member].program->program().name(),
                                error.message);
    return error;
  }

  // One map may stand for two of the program's.
  [[nodiscard]] bool is_as_compiled() const {
    const std::vector<std::uint32_t>& numbers = members_.front().numbers;
    for (std::uint32_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] != i) return false;
    }
    return true;
  }

  Result<> lower_members() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      auto fits = check_sizes(members_[i]);
      auto code = code_of(*members_[i].program, image_.options());
      if (fits && !code) fits = std::unexpected(std::move(code.error()));
      if (!fits) return std::unexpected(i == 0 ? std::move(fits.error()) : named(std::move(fits.error()), i));
      members_[i].code = std::move(*code);
    }
    group_.source = lower_to_c(members_);
    return {};
  }

  // Tables in the kernel are of the size that the program was verified with.
  [[nodiscard]] Result<> check_sizes(const Member& member) const {
    const auto specs = member.program->program().maps();
    const std::vector<Table> tables = tables_of(*member.program);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const auto& map = group_.maps[member.numbers[i]].map;
      if (map == nullptr && tables[i].kind == TableKind::none) continue;
      if (auto fits = check_shape(specs[i], map.get()); !fits) return fits;
    }
    return {};
  }

  // The number of the member, from 1.
  std::uint32_t add(const VerifiedRef& program, const Maps& maps) {
    const auto known = std::ranges::find(members_, program, &Member::program);
    if (known != members_.end()) return static_cast<std::uint32_t>(known - members_.begin()) + 1;
    const std::size_t number = members_.size();
    members_.push_back({.program = program});
    for (std::uint32_t i = 0; i < maps.size(); ++i) {
      const std::uint32_t map = add_map(maps[i]);
      members_[number].numbers.push_back(map);
      note_use(group_.maps[map], *program, i);
    }
    const std::vector<std::uint32_t> numbers = members_[number].numbers;
    for (const std::uint32_t map : numbers) add_targets(map);
    return static_cast<std::uint32_t>(number) + 1;
  }

  // A map that no instruction names may be missing.
  std::uint32_t add_map(const std::shared_ptr<exec::Map>& map) {
    const auto known = map == nullptr ? group_.maps.end() : std::ranges::find(group_.maps, map, &GroupMap::map);
    const auto number = static_cast<std::uint32_t>(known - group_.maps.begin());
    if (number == group_.maps.size()) group_.maps.push_back({.map = map});
    return number;
  }

  static void note_use(GroupMap& map, const verifier::VerifiedProgram& program, std::uint32_t index) {
    const MapUse use = program.map_uses()[index];
    if (use == MapUse::unused) return;
    const Merge merge = merge_of(program, index);
    if (map.use == MapUse::unused) {
      map.use = use;
      map.merge = merge;
    } else if (map.use != use || map.merge != merge) {
      map.use = MapUse::read_write;
      map.merge = Merge::store;
    }
  }

  void add_targets(std::uint32_t map) {
    exec::ProgramTable* programs =
        group_.maps[map].map == nullptr ? nullptr : group_.maps[map].map->abilities().programs;
    const bool unused = group_.maps[map].use == MapUse::unused;
    if (programs == nullptr || unused || std::ranges::find(seen_, map) != seen_.end()) return;
    seen_.push_back(map);
    changes_ += changes_in(*group_.maps[map].map);
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < group_.maps[map].map->spec().max_entries; ++i) {
      const exec::ProgramSlot slot = programs->get(i);
      const bool fits = slot.program != nullptr && is_like_first(*slot.program);
      numbers.push_back(fits ? add(slot.program, maps_of(slot)) : 0);
    }
    group_.maps[map].programs = std::move(numbers);
  }
  // As many as the program has: those that are missing are so said (check_sizes()).
  static Maps maps_of(const exec::ProgramSlot& slot) {
    Maps maps = slot.maps == nullptr ? Maps{} : *slot.maps;
    maps.resize(slot.program->program().maps().size());
    return maps;
  }
  [[nodiscard]] bool is_like_first(const verifier::VerifiedProgram& program) const {
    return program.program().type() == members_.front().program->program().type();
  }

  // A map of maps holds none that does.
  Result<> add_inner_maps() {
    group_.tables = group_.source.tables;
    for (std::uint32_t outer = 0; outer < group_.source.tables.size(); ++outer) {
      const TableKind kind = group_.tables[outer].kind;
      if (kind != TableKind::inner_array && kind != TableKind::inner_hash) continue;
      exec::Map& map = *group_.maps[outer].map;
      changes_ += changes_in(map);
      Result<> added;
      each_key(map, [&](const std::byte* key) {
        if (added) added = add_inner_map(outer, key);
      });
      if (!added) return added;
    }
    return {};
  }

  Result<> add_inner_map(std::uint32_t outer, const std::byte* key) {
    exec::Map& of = *group_.maps[outer].map;
    const exec::MapSlot slot = of.abilities().maps->get(key);
    if (slot.map == nullptr) return {};
    const auto table = table_of(slot.map->spec());
    if (!table || (table->kind != TableKind::array && table->kind != TableKind::hash))
      return fail(ErrorKind::unsupported, EOPNOTSUPP,
                  fmt::format("map {}, which map {} holds", slot.map->spec().name, of.spec().name));
    const std::uint32_t number = add_map(slot.map);
    if (number >= group_.tables.size()) group_.tables.resize(number + 1);
    group_.tables[number] = *table;
    group_.maps[number].use = MapUse::read_write;
    group_.maps[number].merge = Merge::store;
    std::vector<std::byte> words(in_words(of.spec().key_size));
    std::copy_n(key, of.spec().key_size, words.begin());
    group_.maps[outer].inner.push_back({.key = std::move(words), .map = number});
    return {};
  }

  const OpenclImage& image_;
  std::vector<Member> members_;
  std::vector<std::uint32_t> seen_;
  std::uint64_t changes_ = 0;
  Group group_;
};

}  // namespace

bool Group::needs_order() const {
  return std::ranges::any_of(source.programs, [](const VerifiedRef& one) { return opencl::needs_order(*one); }) ||
         std::ranges::any_of(maps, [](const GroupMap& map) { return map.use == MapUse::read_write; });
}

bool Group::needs_one_lane() const {
  return std::ranges::any_of(source.tables, [](const Table& table) { return table.kind == TableKind::list; });
}

FrameUse Group::frame_use(bool shared) const {
  FrameUse all = use_of_frames(first(), shared);
  for (const VerifiedRef& one : source.programs) {
    const FrameUse use = use_of_frames(*one, shared);
    all.moves_edges |= use.moves_edges;
    all.ports |= use.ports;
    all.most = std::max(all.most, use.most);
    if (one != source.programs.front()) all.skb.join(use.skb);
  }
  return all;
}

Result<> check_shape(const program::MapSpec& planned, const exec::Map* map) {
  const auto same = [](const program::MapSpec* a, const program::MapSpec* b) {
    return a == nullptr || (b != nullptr && program::same_shape(*a, *b));
  };
  if (map == nullptr || !same(&planned, &map->spec()) || !same(planned.inner.get(), map->spec().inner.get()))
    return fail(ErrorKind::input, EINVAL, fmt::format("map {} is missing, or of another shape", planned.name));
  if (map->spec().max_entries == planned.max_entries) return {};
  auto error = fail(ErrorKind::unsupported, EOPNOTSUPP,
                    fmt::format("map {} has another number of entries than the program was verified with, which an "
                                "OpenCL kernel does not take",
                                planned.name));
  error.error().limit = planned.max_entries;
  error.error().asked = map->spec().max_entries;
  return error;
}

Result<Group> group_of(const OpenclImage& image, const Maps& maps) { return Gatherer(image).gather(maps); }

std::uint64_t changes_of(const std::vector<GroupMap>& maps) {
  std::uint64_t changes = 0;
  for (const GroupMap& map : maps) {
    if (map.map != nullptr && map.use != MapUse::unused) changes += changes_in(*map.map);
  }
  return changes;
}

}  // namespace forager::jit::opencl

// SPDX-License-Identifier: Apache-2.0
//
// Declared maps: of types that are not built. They have a shape, which is what a verifier needs to know of a map, and
// nothing behind it. Attributes are checked as Linux's map_alloc_check of each type does it.
//
// Tested by: tests/unit/maps_registry_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "maps/array_keys.h"
#include "maps/hash_attributes.h"
#include "maps/registry.h"

namespace forager::maps {
namespace {

using isa::MapType;

constexpr std::uint32_t kStackBytes = 512;        // MAX_BPF_STACK, which keys of sockhash stay within
constexpr std::uint64_t kMaxLocalValue = 0xfe00;  // about BPF_LOCAL_STORAGE_MAX_VALUE_SIZE
constexpr std::uint32_t kMaxFrames = 127;         // of a stack trace; sysctl kernel.perf_event_max_stack

bool holds_maps(MapType type) { return type == MapType::array_of_maps || type == MapType::hash_of_maps; }

class DeclaredMap final : public exec::Map {
 public:
  explicit DeclaredMap(exec::MapSpec spec) : Map(std::move(spec)) {}

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void*) override { return -EOPNOTSUPP; }
  int next_key(const void*, void*) override { return -EOPNOTSUPP; }
  int read(const void*, void*, std::uint64_t) override { return -EOPNOTSUPP; }
  // Loaders fill maps of maps from what the ELF says; it is taken and forgotten.
  int write(const void* key, const void*, std::uint64_t flags) override {
    if (!holds_maps(spec().type)) return -EOPNOTSUPP;
    if (flags != 0) return -EINVAL;
    return spec().type == MapType::array_of_maps && index_of(key) >= spec().max_entries ? -E2BIG : 0;
  }
  [[nodiscard]] exec::MapUsage usage() const override { return {.entries = 0, .bytes = sizeof *this}; }
};

// ---- attributes, by kind of map ----------------------------------------------------------------------------------

Checks entries_with_key(const exec::MapSpec& spec, std::uint32_t key_size) {
  Checks checks(spec);
  checks.at_least("max_entries", spec.max_entries, 1).equal("key_size", spec.key_size, key_size);
  return checks;
}

Result<> one_or_two_words(const exec::MapSpec& spec) {
  return entries_with_key(spec, 4)
      .require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 or 8")
      .done();
}

Result<> word_to_word(const exec::MapSpec& spec) {
  return entries_with_key(spec, 4).equal("value_size", spec.value_size, 4).done();
}

Result<> values_only(const exec::MapSpec& spec) {
  return entries_with_key(spec, 0)
      .at_least("value_size", spec.value_size, 1)
      .at_most("value_size", spec.value_size, kMaxKmalloc, E2BIG)
      .done();
}

Result<> bloom(const exec::MapSpec& spec) {
  constexpr std::uint64_t kMaxHashes = 15;
  return entries_with_key(spec, 0)
      .at_least("value_size", spec.value_size, 1)
      .at_most("map_extra", spec.extra, kMaxHashes, EINVAL)
      .done();
}

Result<> sockets_by_key(const exec::MapSpec& spec) {
  return Checks(spec)
      .at_least("max_entries", spec.max_entries, 1)
      .at_least("key_size", spec.key_size, 1)
      .require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 or 8")
      .at_most("key_size", spec.key_size, kStackBytes, E2BIG)
      .done();
}

Result<> stack_traces(const exec::MapSpec& spec) {
  constexpr std::uint32_t kBuildId = 1U << 5;  // BPF_F_STACK_BUILD_ID
  const std::uint32_t frame = (spec.flags & kBuildId) != 0 ? 32 : 8;
  return entries_with_key(spec, 4)
      .at_least("value_size", spec.value_size, 8)
      .require(spec.value_size % frame == 0, fmt::format("value_size must be a multiple of {}", frame))
      .at_most("value_size", spec.value_size, std::uint64_t{frame} * kMaxFrames, EINVAL)
      .done();
}

Result<> local_storage(const exec::MapSpec& spec) {
  return Checks(spec)
      .equal("max_entries", spec.max_entries, 0)
      .equal("key_size", spec.key_size, 4)
      .at_least("value_size", spec.value_size, 1)
      .at_most("value_size", spec.value_size, kMaxLocalValue, E2BIG)
      .done();
}

Result<> cgroup_storage(const exec::MapSpec& spec) {
  return Checks(spec)
      .require(spec.key_size == 8 || spec.key_size == 16, "key_size must be 8 or 16")
      .at_least("value_size", spec.value_size, 1)
      .at_most("value_size", spec.value_size, kMaxPerCpuValue, E2BIG)
      .equal("max_entries", spec.max_entries, 0)
      .done();
}

Result<> user_ring(const exec::MapSpec& spec) {
  constexpr std::uint32_t kPage = 4096;
  return Checks(spec)
      .equal("key_size", spec.key_size, 0)
      .equal("value_size", spec.value_size, 0)
      .require(std::has_single_bit(spec.max_entries) && spec.max_entries % kPage == 0,
               "max_entries must be a power of two and whole pages")
      .done();
}

Result<> hash(const exec::MapSpec& spec) {
  if (auto entries = Checks(spec).at_least("max_entries", spec.max_entries, 1).done(); !entries) return entries;
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size);
  return check_hash(spec, bytes);
}

// No map of maps of maps, and no array of programs, whose owner is only known when it is used.
Result<> inner(const exec::MapSpec& spec) {
  constexpr int kNotSupported = 524;  // ENOTSUPP
  if (!holds_maps(spec.type)) return {};
  if (spec.inner == nullptr) return fail(ErrorKind::input, EINVAL, "a map of maps needs an inner map");
  const MapType type = spec.inner->type;
  if (holds_maps(type)) return fail(ErrorKind::input, EINVAL, "a map of maps of maps");
  const bool bound = type == MapType::prog_array || type == MapType::cgroup_storage ||
                     type == MapType::percpu_cgroup_storage || type == MapType::struct_ops;
  if (bound) return fail(ErrorKind::input, kNotSupported, "maps of the inner map's type cannot stand in a map");
  return {};
}

Result<> maps_by_key(const exec::MapSpec& spec) {
  if (auto value = Checks(spec).equal("value_size", spec.value_size, 4).done(); !value) return value;
  return hash(spec);
}

// The types that can be declared. Of the others, struct_ops needs a kernel, and arena memory of its own.
struct Row {
  MapType type;
  Result<> (*check)(const exec::MapSpec&);
};
constexpr Row kRows[] = {
    {MapType::cpumap, one_or_two_words},
    {MapType::sockmap, one_or_two_words},
    {MapType::reuseport_sockarray, one_or_two_words},
    {MapType::xskmap, word_to_word},
    {MapType::cgroup_array, word_to_word},
    {MapType::array_of_maps, word_to_word},
    {MapType::hash_of_maps, maps_by_key},
    {MapType::lru_percpu_hash, hash},
    {MapType::queue, values_only},
    {MapType::stack, values_only},
    {MapType::bloom_filter, bloom},
    {MapType::sockhash, sockets_by_key},
    {MapType::stack_trace, stack_traces},
    {MapType::sk_storage, local_storage},
    {MapType::inode_storage, local_storage},
    {MapType::task_storage, local_storage},
    {MapType::cgrp_storage, local_storage},
    {MapType::cgroup_storage, cgroup_storage},
    {MapType::percpu_cgroup_storage, cgroup_storage},
    {MapType::user_ringbuf, user_ring},
};

}  // namespace

Result<std::shared_ptr<exec::Map>> declare(exec::MapSpec spec, unsigned cpus) {
  auto made = create(spec, cpus);
  if (made || made.error().kind != ErrorKind::unsupported) return made;
  const auto* row = std::ranges::find(kRows, spec.type, &Row::type);
  if (row == std::end(kRows)) return made;
  auto checked = check_flags(spec, *isa::find_map(static_cast<std::uint32_t>(spec.type)), cpus);
  if (checked) checked = row->check(spec);
  if (checked) checked = inner(spec);
  if (!checked) return std::unexpected(std::move(checked.error()));
  return std::make_shared<DeclaredMap>(std::move(spec));
}

}  // namespace forager::maps

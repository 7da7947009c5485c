// SPDX-License-Identifier: Apache-2.0
#include "maps/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "maps/attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

using isa::MapType;

struct Row {
  MapType type;
  MapResult (*make)(exec::MapSpec, unsigned);
};
constexpr Row kRows[] = {
#define FORAGER_MAP_TYPE(name) {MapType::name, make_##name},
#include "maps/types.def"
};

// Stores of values for owners count nothing beforehand (storage_attributes.h).
bool has_entries(MapType type) {
  return type != MapType::sk_storage && type != MapType::cgroup_storage && type != MapType::percpu_cgroup_storage;
}

// What bpf(2) checks before it asks the type.
Result<> check_common(const exec::MapSpec& spec, const isa::MapRow& row, unsigned cpus) {
  if (auto checked = check_flags(spec, row, cpus); !checked) return checked;
  const std::uint64_t extra =
      spec.type == MapType::bloom_filter ? 0 : spec.extra;  // the one type that has a use for it
  return Checks(spec)
      .equal("map_extra", extra, 0)
      .at_least("max_entries", spec.max_entries, has_entries(spec.type) ? 1 : 0)
      .done();
}

}  // namespace

Result<std::shared_ptr<exec::Map>> create(exec::MapSpec spec, unsigned cpus) {
  const auto id = static_cast<std::uint32_t>(spec.type);
  const isa::MapRow* row = isa::find_map(id);
  if (row == nullptr) return fail(ErrorKind::unsupported, EINVAL, fmt::format("no map type has number {}", id));
  const auto* built = std::ranges::find(kRows, spec.type, &Row::type);
  if (built == std::end(kRows)) {
    return fail(ErrorKind::unsupported, EINVAL, fmt::format("{} map: {}", row->name, row->status));
  }
  if (auto checked = check_common(spec, *row, cpus); !checked) return std::unexpected(checked.error());
  try {
    return built->make(std::move(spec), cpus);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::system, ENOMEM, fmt::format("{} map: out of memory", row->name));
  }
}

}  // namespace forager::maps

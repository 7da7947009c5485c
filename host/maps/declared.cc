// SPDX-License-Identifier: Apache-2.0
//
// Declared maps: of types that are not built, because what their keys name exists in a kernel only. They have a shape,
// which is what a verifier needs to know of a map, and nothing behind it. Attributes are checked as Linux does it.
//
// Tested by: tests/unit/maps_registry_test.cc.
#include <cerrno>

#include "maps/registry.h"
#include "maps/storage_attributes.h"

namespace forager::maps {
namespace {

using isa::MapType;

class DeclaredMap final : public exec::Map {
 public:
  explicit DeclaredMap(exec::MapSpec spec) : Map(std::move(spec)) {}

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void*) override { return -EOPNOTSUPP; }
  int next_key(const void*, void*) override { return -EOPNOTSUPP; }
  int read(const void*, void*, std::uint64_t) override { return -EOPNOTSUPP; }
  int write(const void*, const void*, std::uint64_t) override { return -EOPNOTSUPP; }
  [[nodiscard]] exec::MapUsage usage() const override { return {.entries = 0, .bytes = sizeof *this}; }
};

// Of the types that are not built, struct_ops and arena need more than attributes.
bool can_be_declared(MapType type) {
  return type == MapType::inode_storage || type == MapType::task_storage || type == MapType::cgrp_storage;
}

}  // namespace

Result<std::shared_ptr<exec::Map>> declare(exec::MapSpec spec, unsigned cpus) {
  auto made = create(spec, cpus);
  if (made || made.error().kind != ErrorKind::unsupported || !can_be_declared(spec.type)) return made;
  auto checked = check_flags(spec, *isa::find_map(static_cast<std::uint32_t>(spec.type)), cpus);
  if (checked) checked = check_local_storage(spec);
  if (!checked) return std::unexpected(std::move(checked.error()));
  return std::make_shared<DeclaredMap>(std::move(spec));
}

}  // namespace forager::maps

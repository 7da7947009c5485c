// SPDX-License-Identifier: Apache-2.0
#include "cli/map_new.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "isa/tables.h"

namespace forager::cli {
namespace {

int create(const std::string& name, const MapShape& shape, int inner) {
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = shape.flags;
  if (inner >= 0) options.inner_map_fd = static_cast<std::uint32_t>(inner);
  return ::bpf_map_create(static_cast<bpf_map_type>(shape.type), name.empty() ? nullptr : name.c_str(), shape.key_size,
                          shape.value_size, shape.max_entries, &options);
}

std::unexpected<Diagnostic> refused(const MapShape& shape, int error) {
  const isa::MapRow* row = isa::find_map(shape.type);
  if (row != nullptr && row->status != "runs")
    return fail(ErrorKind::unsupported, error, fmt::format("no maps of type {}: {}", row->name, row->status));
  return fail(ErrorKind::system, error,
              fmt::format("map create failed: {} (type {}, key {}, value {}, entries {}, flags {:#x})",
                          std::strerror(error), row != nullptr ? row->name : "unknown", shape.key_size,
                          shape.value_size, shape.max_entries, shape.flags));
}

}  // namespace

// The inner map only shows what inner maps are like, and is gone when this is done.
Result<int> create_map(const std::string& name, const LoneMap& map) {
  int inner = -1;
  if (map.inner) {
    inner = create({}, *map.inner, -1);
    if (inner < 0) return refused(*map.inner, -inner);
  }
  const int fd = create(name, map.shape, inner);
  if (inner >= 0) ::close(inner);
  if (fd < 0) return refused(map.shape, -fd);
  return fd;
}

}  // namespace forager::cli

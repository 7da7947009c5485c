// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing maps through libbpf's user-side calls, and rendering their entries as bpftool does.
//
// Tested by: tests/cli/cli_test.sh, tests/golden.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/run_result.h"
#include "forager/result.h"

struct bpf_map;
struct btf;

namespace forager::cli {

// One map of a loaded object, as user space sees it.
struct MapHandle {
  std::string name;
  std::uint32_t id = 0;          // what people call it by; kept objects' ids are not the runtime's
  std::uint32_t runtime_id = 0;  // of this process
  std::uint32_t type = 0;        // enum bpf_map_type
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;
  std::uint32_t key_type = 0;  // BTF ids, 0 if unknown
  std::uint32_t value_type = 0;
  int fd = -1;  // the object's, not owned
  const btf* types = nullptr;
  bool global_data = false;  // .rodata, .data, .bss

  [[nodiscard]] bool per_cpu() const;
  // Ring and perf buffers and program arrays hold no values that user space could copy out.
  [[nodiscard]] bool holds_values() const;
  [[nodiscard]] std::size_t host_value_bytes() const;
  // What the runtime knows and bpf(2) does not tell.
  [[nodiscard]] bool frozen() const;
  [[nodiscard]] std::uint64_t memory_bytes() const;
};

// What people call a map: its name, or the section's (".rodata") for global data.
[[nodiscard]] std::string name_of(const bpf_map* map);
[[nodiscard]] Result<MapHandle> handle_of(bpf_map* map, const btf* types);
// Gives an object that is not loaded yet another's map for its own. Errors: input, naming what does not fit.
[[nodiscard]] Result<> share_map(bpf_map* map, int fd);
// Of a map that is no object's.
[[nodiscard]] Result<MapHandle> handle_of(int fd, const std::string& name);

struct Entry {
  std::string key;
  std::string value;  // all CPUs' slots for per-CPU maps
};

// All entries in the map's own order. Errors: system.
[[nodiscard]] Result<std::vector<Entry>> read_entries(const MapHandle& map);
// Updates one entry; a value of one CPU's size is given to every CPU of a per-CPU map. Errors: input, naming the sizes.
[[nodiscard]] Result<> write_entry(const MapHandle& map, const Entry& entry, std::uint64_t flags = 0);

[[nodiscard]] MapEntryView view_of(const MapHandle& map, const Entry& entry);
// The whole map; zero entries of arrays are left out when `skip_zero`.
[[nodiscard]] Result<MapView> view_of(const MapHandle& map, bool skip_zero);

}  // namespace forager::cli

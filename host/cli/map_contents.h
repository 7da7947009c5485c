// SPDX-License-Identifier: Apache-2.0
//
// The contents of a map as bytes that a later process can put back.
//
// Most maps are a list of entries. Queues and stacks are emptied and filled again in order, ring buffers give the
// records that nobody has read yet. Where values name programs or maps, the runtime's ids mean nothing to the next
// process: they are exchanged for kept ones and back, by the Ids. Contents of some types belong to what lives in a
// process (sockets, tasks, readers of perf buffers) or can be read by nobody (Bloom filters); these start empty.
//
// Tested by: tests/cli/map_test.sh, tests/unit/cli_state_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cli/map_io.h"
#include "forager/result.h"

namespace forager::cli {

enum class Referent : std::uint8_t { program, map };

// Where a value names a program or a map: the runtime's id when read, a descriptor when written.
struct Reference {
  Referent what = Referent::map;
  std::size_t offset = 0;  // bytes into the value, where 4 bytes stand
  bool optional = false;   // 0 there: none
};
[[nodiscard]] std::optional<Reference> reference_in(const MapHandle& map);
[[nodiscard]] std::uint32_t named_in(const Reference& reference, const std::string& value);
void set_named(const Reference& reference, std::string& value, std::uint32_t number);

// How ids of the runtime, kept ids and descriptors belong together.
struct Ids {
  std::function<std::uint32_t(Referent, std::uint32_t runtime_id)> kept;  // 0: not kept
  std::function<Result<int>(Referent, std::uint32_t kept_id)> descriptor;
};

// What kept contents a type has.
enum class Contents : std::uint8_t { entries, values, records, none };
[[nodiscard]] Contents contents_of(std::uint32_t map_type);

// Errors: system.
[[nodiscard]] Result<std::vector<Entry>> read_contents(const MapHandle& map, const Ids& ids);
// Into a map as its object made it. Errors: input (a damaged state), system.
[[nodiscard]] Result<> write_contents(const MapHandle& map, const std::vector<Entry>& entries, const Ids& ids);

// The records that nobody has read yet, taken out. Errors: system.
[[nodiscard]] Result<std::vector<std::string>> take_records(const MapHandle& map);

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
// Programs and maps for tests of host/runtime, from assembler text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "program/text.h"
#include "runtime/runtime.h"

namespace forager::runtime::testing {

using Maps = std::vector<std::shared_ptr<MapObject>>;

inline ProgramRequest request(std::string_view text, const Maps& maps = {}, isa::ProgType type = isa::ProgType::xdp) {
  std::vector<std::string> names;
  for (const auto& map : maps) names.push_back(map->spec().name);
  auto slots = program::assemble(text, names);
  EXPECT_TRUE(slots.has_value()) << slots.error().text();
  ProgramRequest asked;
  asked.source.name = "test";
  asked.source.type = type;
  asked.source.gpl_compatible = true;
  if (slots) asked.source.slots = std::move(*slots);
  asked.maps = maps;
  return asked;
}

inline std::shared_ptr<ProgramObject> load(Runtime& runtime, std::string_view text, const Maps& maps = {},
                                           isa::ProgType type = isa::ProgType::xdp) {
  auto program = runtime.load_program(request(text, maps, type));
  EXPECT_TRUE(program.has_value()) << program.error().text();
  return program ? *program : nullptr;
}

inline std::shared_ptr<MapObject> make_map(Runtime& runtime, isa::MapType type, std::uint32_t value_size,
                                           std::uint32_t entries, std::string name) {
  auto map = runtime.create_map({.type = type,
                                 .key_size = 4,
                                 .value_size = value_size,
                                 .max_entries = entries,
                                 .flags = 0,
                                 .extra = 0,
                                 .name = std::move(name)});
  EXPECT_TRUE(map.has_value()) << map.error().text();
  return map ? *map : nullptr;
}

inline constexpr std::string_view kPass = "r0 = 2\nexit\n";

}  // namespace forager::runtime::testing

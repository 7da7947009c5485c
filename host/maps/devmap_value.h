// SPDX-License-Identifier: Apache-2.0
//
// The values of DEVMAP and DEVMAP_HASH: a port to redirect to, struct bpf_devmap_val of Linux. Outside it has 4 bytes
// (the ifindex) or 8 (and the program to run on the way out: its fd going in, its id coming out). In storage it is
// always one 8-byte word, which is what a program's lookup points to.
//
// A program on the way out is refused, for such programs are not run here. Which ifindexes exist is the runtime's
// knowledge, not the map's: any but 0 is taken.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "maps/attributes.h"
#include "maps/words.h"

namespace forager::maps {

struct DevmapValue {
  std::uint32_t ifindex = 0;
  std::int32_t program = 0;  // fd in, id out; none if not positive
};
static_assert(sizeof(DevmapValue) == kWordBytes);

[[nodiscard]] inline DevmapValue devmap_value(const void* bytes, std::uint32_t value_size) {
  DevmapValue value;
  std::memcpy(&value, bytes, value_size);
  return value;
}

// 0, or -EINVAL for a program without a port, -EOPNOTSUPP for one with a port.
[[nodiscard]] inline int check_devmap_value(DevmapValue value) {
  if (value.program <= 0) return 0;
  return value.ifindex == 0 ? -EINVAL : -EOPNOTSUPP;
}

// As stored: no program has id 0.
[[nodiscard]] inline Word devmap_word(DevmapValue value) {
  value.program = 0;
  Word word = 0;
  std::memcpy(&word, &value, sizeof word);
  return word;
}

[[nodiscard]] inline Checks check_devmap(const program::MapSpec& spec) {
  return Checks(spec)
      .equal("key_size", spec.key_size, 4)
      .require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 (ifindex) or 8 (and a program)");
}

}  // namespace forager::maps

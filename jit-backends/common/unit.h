// SPDX-License-Identifier: Apache-2.0
//
// Unit: an image in executable memory, bound to its maps, for one lane.
//
// Tested by: tests/unit/jit_device_test.cc.
#pragma once

#include <memory>
#include <span>

#include "jit-backends/common/executable.h"
#include "jit-backends/common/image.h"
#include "jit-backends/common/records/code_registry.h"

namespace forager::jit {

struct Unit {
  std::shared_ptr<const JitImage> image;
  exec::MapList maps;                           // by index as in Program::maps(); null where not bound yet
  std::shared_ptr<const exec::MapList> source;  // where a tail call's slot had them from
  Executable memory;
  CodeRegistry::Entry entry;  // of the memory

  [[nodiscard]] const program::Program& program() const { return image->program().program(); }
  [[nodiscard]] const std::byte* at(std::uint32_t offset) const { return memory.code().data() + offset; }
  // Where a subprogram begins.
  [[nodiscard]] const std::byte* function(std::uint32_t subprogram) const {
    return at(image->code().functions[subprogram]);
  }
  [[nodiscard]] bool holds(const void* address) const {
    const auto* byte = static_cast<const std::byte*>(address);
    return byte >= memory.code().data() && byte < memory.code().data() + memory.code().size();
  }
};

// What a program is linked with.
struct LinkOptions {
  std::span<const exec::HelperFn> helpers;
  unsigned cpu = 0;
};

// Errors: input for an index or a map that the program does not have.
[[nodiscard]] Result<> bind(Unit& unit, std::uint32_t index, std::shared_ptr<exec::Map> map);

// Puts the image into memory; all its maps are bound. Errors: unsupported for a helper that there is none of; system.
[[nodiscard]] Result<> link(Unit& unit, const LinkOptions& options);

}  // namespace forager::jit

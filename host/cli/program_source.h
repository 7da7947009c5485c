// SPDX-License-Identifier: Apache-2.0
//
// The program that a verb works on: a kept one, or one straight from a file, which keeps nothing.
#pragma once

#include <linux/bpf.h>

#include <memory>
#include <optional>

#include "api/elf_object.h"
#include "cli/select.h"
#include "cli/world.h"
#include "forager/result.h"
#include "runtime/objects.h"

namespace forager::cli {

struct ProgramSource {
  std::optional<World> world;           // of a kept program ...
  std::unique_ptr<api::ElfObject> elf;  // ... or the file's object
  ProgramHandle program;

  // What runs left in maps is kept, if the program is. Errors: input.
  [[nodiscard]] Result<> save();
};

// PROG, or "file OBJ [NAME]"; `keywords`: words that may follow and are no NAME. Errors: usage, and of loading.
[[nodiscard]] Result<ProgramSource> open_program(const Cli& cli, Words& words,
                                                 std::initializer_list<std::string_view> keywords);
// The runtime's object. Errors: bug.
[[nodiscard]] Result<std::shared_ptr<runtime::ProgramObject>> runtime_program(const ProgramHandle& program);

}  // namespace forager::cli

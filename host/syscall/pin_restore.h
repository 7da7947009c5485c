// SPDX-License-Identifier: Apache-2.0
//
// From the files of a pin directory to pinned objects, in the order in which they need one another: BTF, maps,
// programs, the elements of maps that name maps and programs, pins.
//
// A file that cannot be used, and what cannot do without it, is left out and said; it stays where it is.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "forager/result.h"
#include "syscall/pin_file.h"
#include "syscall/process.h"

namespace forager::syscall {

// A file that was used.
struct RestoredFile {
  PinFile file;
  std::uint32_t id = 0;              // the object's in the runtime; 0 for a pin
  std::vector<std::uint32_t> names;  // numbers of the files whose objects it names
  std::string path;                  // of a pin
};

struct Restored {
  std::vector<RestoredFile> files;
  std::vector<Diagnostic> left_out;  // "DIRECTORY/17.map: ...", a line each; input and system
};

// `directory` is the descriptor, `path` what it is called.
[[nodiscard]] Restored restore_pins(Process& process, int directory, const std::string& path,
                                    std::vector<PinFile> files);

}  // namespace forager::syscall

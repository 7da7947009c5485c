// SPDX-License-Identifier: Apache-2.0
//
// Session: everything that one device has in the kernel: the twins of its maps, and the programs that use them.
//
// Loading waits until maps are bound, because the kernel's slots name maps by file descriptor. A map is the same for
// all programs of a session, whichever of them names it (exec::Map's address tells), so tail-called programs share maps
// with the first one. Programs are kept for as long as something refers to them: the device its own, a program array
// those in its slots.
//
// A session holds nothing that the host does not have between two runs, so dropping it and starting over is always
// right; that is what happens when constants of a loaded program change (Mirror::stale).
//
// Tested by: tests/unit/linux_device_test.cc, tests/unit/linux_mirror_test.cc.
#pragma once

#include <memory>
#include <vector>

#include "exec/map.h"
#include "forager/result.h"
#include "jit-backends/linux/lower.h"
#include "jit-backends/linux/mirror.h"

namespace forager::jit::linux_kernel {

class Session {
 public:
  Session(Lanes lanes, KeyValueMirror::Check device_check);

  // The program in the kernel, with all maps it can reach filled.
  [[nodiscard]] Result<std::shared_ptr<const Fd>> load(const exec::ProgramSlot& slot);
  // A raw-memory program, wrapped for the given memory.
  [[nodiscard]] Result<Fd> load_raw(const exec::ProgramSlot& slot, const RawMemoryMaps& memory);

  // Before a run, and after each frame, and after a run: see Mirror.
  [[nodiscard]] Result<> push();
  void drain();
  [[nodiscard]] Result<> pull();
  [[nodiscard]] bool stale();

 private:
  struct Loaded {
    std::shared_ptr<const verifier::VerifiedProgram> program;
    std::vector<const exec::Map*> maps;
    std::weak_ptr<const Fd> fd;
  };
  [[nodiscard]] Result<Mirror*> mirror_of(const std::shared_ptr<exec::Map>& map);
  // File descriptors by map index; notes which maps the program writes.
  [[nodiscard]] Result<std::vector<int>> twins_of(const exec::ProgramSlot& slot);
  [[nodiscard]] std::shared_ptr<const Fd> find_loaded(const exec::ProgramSlot& slot);

  MirrorContext context_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  std::vector<Loaded> loaded_;
};

}  // namespace forager::jit::linux_kernel

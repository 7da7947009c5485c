// SPDX-License-Identifier: Apache-2.0
//
// Loader: what stands where in the device's instruction memory. The loaded program begins at bundle 0, the targets of
// tail calls follow as they are met.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "interp/unit.h"
#include "jit-backends/rtl/chip_memory.h"
#include "jit-backends/rtl/image.h"
#include "sim/board/host_port.h"

namespace forager::jit::rtl {

// A program in instruction memory, and as the host knows it.
struct Resident {
  std::shared_ptr<const RtlImage> image;
  const interp::Unit* unit = nullptr;
  std::uint32_t first = 0;  // bundle
  std::uint32_t maps = 0;   // number of its map 0

  [[nodiscard]] const Bundle& bundle(std::uint32_t pc) const { return image->code().bundles[pc - first]; }
  // The BPF instruction that a bundle is for.
  [[nodiscard]] std::uint32_t instruction(std::uint32_t pc) const { return image->code().instructions[pc - first]; }
};

class Loader {
 public:
  Loader(sim::HostPort& board, ChipMemory& chip) : board_(board), chip_(chip) {}

  // How targets of tail calls are compiled.
  void set_options(const exec::CompileOptions& options) { options_ = options; }
  // Forgets what was there. Errors: limit, if it does not fit.
  [[nodiscard]] Result<> load(std::shared_ptr<const RtlImage> image, const interp::Unit& unit);
  // The program of a unit, compiled and written behind the others the first time. Errors: as compile(), limit.
  [[nodiscard]] Result<const Resident*> find(const interp::Unit& unit, const ChipRoom& room);
  // The same of a slot of a PROG_ARRAY; null if it is not there.
  [[nodiscard]] const Resident* resident(const exec::ProgramSlot& slot) const;
  [[nodiscard]] std::size_t programs() const { return residents_.size(); }
  // Null if nothing stands there.
  [[nodiscard]] const Resident* at(std::uint32_t pc) const;

 private:
  [[nodiscard]] Result<const Resident*> add(std::shared_ptr<const RtlImage> image, const interp::Unit& unit,
                                            std::uint32_t maps);

  exec::CompileOptions options_;
  sim::HostPort& board_;
  ChipMemory& chip_;
  std::vector<std::unique_ptr<Resident>> residents_;
  std::uint32_t next_ = 0;
};

}  // namespace forager::jit::rtl

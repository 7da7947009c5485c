// SPDX-License-Identifier: Apache-2.0
//
// Invocation: the C++ side of a running program. It fills the cells for a frame, enters generated code, and answers
// what the code and the helpers ask meanwhile: targets of tail calls, functions that helpers call back, memory that
// they may read. It holds the loaded unit and those that tail calls led to.
//
// Tested by: tests/unit/jit_device_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "jit-backends/common/cells.h"
#include "jit-backends/common/unit.h"

namespace forager::jit {

// VerifiedProgram to image, as Backend::compile.
using Compile = Result<std::shared_ptr<const exec::Image>> (*)(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                               const exec::CompileOptions& options);

class Invocation : private exec::ProgramCalls, private exec::ProgramMemory {
 public:
  Invocation(const exec::DeviceOptions& options, Compile compile);

  void load(std::shared_ptr<const JitImage> image);
  [[nodiscard]] Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map);
  // Makes the loaded program ready to run. Errors: bug for a map that is not bound; those of link().
  [[nodiscard]] Result<> prepare();

  // Runs the program on a frame and leaves its results there.
  void run(exec::Frame& frame);
  // Runs one of its functions by itself.
  [[nodiscard]] Result<> run_async(const exec::AsyncCall& call);
  [[nodiscard]] const exec::Counters& counters() const { return counters_; }

  // For runtime.cc.
  [[nodiscard]] const void* tail_call(exec::Map& map, std::uint64_t index);
  void refresh();

 private:
  // exec::ProgramCalls, exec::ProgramMemory
  [[nodiscard]] std::optional<std::uint64_t> call(std::uint64_t function,
                                                  std::span<const exec::CallbackArgument> arguments) override;
  [[nodiscard]] exec::TimerCallback keep(std::uint64_t function) const override;
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> to) const override;

  void start(exec::Frame& frame);
  void show_context();
  void finish(std::uint64_t r0);
  [[nodiscard]] std::uint64_t enter(const void* function);
  [[nodiscard]] LinkOptions link_options() const;
  // Where a slot of a program array leads, as of a number of its changes.
  struct Jump {
    const exec::Map* map = nullptr;
    const std::atomic<std::uint64_t>* changes_now = nullptr;
    std::uint64_t changes = 0;
    std::uint32_t index = 0;
    const Unit* target = nullptr;
    const void* code = nullptr;

    [[nodiscard]] bool holds(const exec::Map& of, std::uint32_t at) const {
      return map == &of && index == at && changes_now->load(std::memory_order_acquire) == changes;
    }
  };
  static constexpr std::size_t kJumps = 64;

  [[nodiscard]] bool find_jump(const exec::Map& map, std::uint32_t index, Jump& jump);
  [[nodiscard]] const Unit* look_up_target(const exec::ProgramTable& programs, std::uint32_t index);
  void forget_targets();
  [[nodiscard]] Result<const Unit*> find(const exec::ProgramSlot& slot);
  [[nodiscard]] const Unit& unit_of(const void* address) const;
  [[nodiscard]] std::unique_ptr<Diagnostic> reason();
  void fail_at(Stop stop, std::string message);

  exec::DeviceOptions options_;
  exec::Environment no_environment_;
  Compile compile_;
  exec::RunContext run_;
  exec::Counters counters_;
  std::unique_ptr<Cells> cells_ = std::make_unique<Cells>();
  std::unique_ptr<Unit> loaded_;
  const void* enter_ = nullptr;  // of the loaded unit
  const void* main_ = nullptr;   // its first function
  bool ready_ = false;
  bool raw_memory_ = false;
  bool whole_context_ = false;  // the context fits Frame::context
  const Unit* running_ = nullptr;
  std::string message_;  // of what stopped the program
  std::vector<std::unique_ptr<Unit>> targets_;
  std::array<Jump, kJumps> jumps_{};  // those made last, by index
};

}  // namespace forager::jit

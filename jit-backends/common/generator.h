// SPDX-License-Identifier: Apache-2.0
//
// Generator: what code generation is alike on every architecture. It walks the functions and blocks of a Code in their
// order, notes where each instruction's code begins, keeps labels, and puts what is seldom needed (out of bounds, a way
// out) behind its function (`later`). An architecture derives from it and has the rules.
//
// Tested by: through the backends that derive from it; tests/unit/jit_arm64_test.cc, jit_device_test.cc.
#pragma once

#include <asmjit/core.h>

#include <functional>
#include <string>
#include <vector>

#include "jit-backends/common/code.h"
#include "jit-backends/common/image.h"

namespace forager::jit {

struct Settings {
  std::uint32_t features = 0;  // Features
  bool blind_constants = false;
  std::uint64_t blinding = 0;  // what constants are hidden with
  bool far = false;            // the code is longer than what conditional branches reach
};

class Generator : private asmjit::ErrorHandler {
 public:
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Errors: limit, if a branch does not reach its target (too_far() says so); bug, if asmjit refuses what a rule made.
  [[nodiscard]] Result<MachineCode> run();
  [[nodiscard]] bool too_far() const { return too_far_; }

 protected:
  using Label = asmjit::Label;

  struct Veneer {
    Symbol symbol;
    Label label;
  };
  // The function at hand.
  struct Function {
    bool is_main = false;
    bool calls = false;
    std::vector<unsigned> saved;  // BPF registers that it has to give back as they were
    Cleared cleared;
  };

  Generator(const Code& code, const Settings& settings, asmjit::Arch arch, asmjit::BaseAssembler& assembler);
  ~Generator() override = default;

  // An architecture's own.
  virtual void emit_enter() = 0;                 // what C++ calls; binds leave_
  virtual void emit_step(const Step& step) = 0;  // dispatch.h
  virtual void prologue() = 0;                   // of function_
  virtual void jump(const Label& to) = 0;
  virtual void trap() = 0;       // where nobody comes
  virtual void emit_data() = 0;  // veneers and what else stands behind the code

  [[nodiscard]] std::uint32_t offset() const { return static_cast<std::uint32_t>(assembler_.offset()); }
  [[nodiscard]] bool has(std::uint32_t feature) const { return (settings_.features & feature) != 0; }
  // Of the block that an instruction begins.
  [[nodiscard]] Label label_of(std::uint32_t instruction) const;
  [[nodiscard]] Label function_at(std::uint32_t instruction) const;
  // Of the jump to a symbol that stands behind the code.
  [[nodiscard]] Label veneer(const Symbol& symbol);
  void relocate(Relocation::Kind kind, std::uint32_t at, const Symbol& symbol, std::uint64_t addend = 0);
  // Eight bytes of data that link() fills in.
  void embed_address(const Label& label, const Symbol& symbol, std::uint64_t addend = 0);
  void later(std::function<void()> emit) { later_.push_back({at_, std::move(emit)}); }

  const Code& code_;
  const program::Program& program_;
  const Settings settings_;
  Label leave_;  // ends the program, from wherever it is
  Function function_;
  std::uint32_t at_ = 0;  // instruction
  std::vector<Veneer> veneers_;

 private:
  struct Deferred {
    std::uint32_t at;
    std::function<void()> emit;
  };

  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter* origin) override;
  void emit_subprogram(std::uint32_t index);
  void look_at(std::uint32_t index);
  void emit_block(std::uint32_t block, std::uint32_t following);
  [[nodiscard]] bool skips(const Step& step, std::uint32_t following) const;
  [[nodiscard]] bool begins_loop(std::uint32_t block) const;
  [[nodiscard]] bool begins(std::uint32_t block, std::uint32_t instruction) const;
  void emit_later();
  void note_line();
  [[nodiscard]] Result<MachineCode> finish();

  asmjit::CodeHolder holder_;
  asmjit::BaseAssembler& assembler_;
  std::string error_;
  bool too_far_ = false;
  MachineCode made_;
  std::vector<Label> labels_;     // by block
  std::vector<Label> functions_;  // by subprogram
  Label dead_;
  std::vector<Deferred> later_;
};

}  // namespace forager::jit

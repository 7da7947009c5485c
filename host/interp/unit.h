// SPDX-License-Identifier: Apache-2.0
//
// Unit: a program made ready for the machine, and UnitTable: the units that a device has met, which are the loaded
// program and what tail calls led to.
//
// A Step is a decoded instruction with everything looked up that does not change: the guest address of a map, the
// function of a helper, and, for checked mode, which registers it reads, writes and leaves undefined. Steps and
// Program::instructions() have the same indices.
//
// Tested by: tests/unit/interp_calls_test.cc (tail calls), interp_device_test.cc (binding).
#pragma once

#include <array>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "exec/environment.h"
#include "forager/result.h"
#include "interp/memory.h"
#include "verifier/verify.h"

namespace forager::interp {

using RegisterSet = std::uint16_t;  // bit n is rn

struct Step {
  isa::Op op{};
  std::uint8_t dst = 0;
  std::uint8_t src = 0;
  std::int16_t offset = 0;
  std::uint32_t target = program::kNone;
  std::uint64_t imm = 0;  // of a map: its guest address; of a helper call: index into Unit::calls
  RegisterSet reads = 0;
  RegisterSet clears = 0;  // undefined afterwards
  RegisterSet writes = 0;  // defined afterwards
};

struct HelperCall {
  const isa::HelperRow* row = nullptr;
  std::array<isa::Arg, 5> args{};
  exec::HelperFn function = nullptr;  // null: this build has none
  bool is_tail_call = false;
};

struct Unit {
  std::shared_ptr<const verifier::VerifiedProgram> verified;
  std::vector<Step> steps;
  std::vector<HelperCall> calls;
  std::uint32_t code_region = 0;   // where its functions are
  std::uint32_t first_region = 0;  // of its maps: objects at first + 2i, directly addressed memory at first + 2i + 1
  exec::MapList maps;              // as bound; null where not yet
  std::shared_ptr<const exec::MapList> source;  // where a tail call's slot had them from

  [[nodiscard]] const program::Program& program() const { return verified->program(); }
};

class UnitTable {
 public:
  UnitTable(Memory& memory, std::span<const exec::HelperFn> helpers)
      : memory_(memory), helpers_(helpers), first_region_(memory.fixed_count()) {}

  // Makes this the loaded program; its maps are bound afterwards.
  void load(std::shared_ptr<const verifier::VerifiedProgram> program);
  [[nodiscard]] const Unit* loaded() const { return loaded_.get(); }
  // Errors: input, for an index or a map that the program does not have.
  [[nodiscard]] Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map);

  // The unit of a tail call's target. Errors: bug, for a slot that brings other maps than its program has.
  [[nodiscard]] Result<const Unit*> find(const exec::ProgramSlot& slot);
  // Between invocations: forgets the targets of tail calls if they have become many (programs come and go).
  void trim();

 private:
  [[nodiscard]] std::unique_ptr<Unit> make(std::shared_ptr<const verifier::VerifiedProgram> program);
  [[nodiscard]] Result<> bind(Unit& unit, std::uint32_t index, std::shared_ptr<exec::Map> map);

  Memory& memory_;
  std::span<const exec::HelperFn> helpers_;
  std::uint32_t first_region_;  // of this table; those before are the machine's
  std::unique_ptr<Unit> loaded_;
  std::unordered_map<const verifier::VerifiedProgram*, std::unique_ptr<Unit>> targets_;
};

}  // namespace forager::interp

// SPDX-License-Identifier: Apache-2.0
//
// JitImage: machine code of one program for one architecture, and what must be filled in where it is to run.
//
// Making one is a pure function of the program and the options, on any host. Addresses are unknown then: the code names
// symbols (a helper, a function of ours, the n-th map), and link() writes their addresses at the places in
// `relocations`.
//
// Tested by: tests/unit/jit_device_test.cc, jit_arm64_calls_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "exec/backend.h"

namespace forager::jit {

enum class Arch : std::uint8_t { x86_64, arm64 };

// Functions of the runtime that code calls (runtime.h), by what they are for.
enum class Service : std::uint8_t { refresh, tail_call, load_packet, settle_store, look_up };

struct Symbol {
  enum class Kind : std::uint8_t {
    helper,           // index: helper id
    service,          // index: Service
    map,              // index: of the program's maps; its exec::Map
    map_memory,       // ... the first of its values
    lookup_base,      // ... DirectLookup::base
    lookup_function,  // ... DirectLookup::function
    lookup_object,    // ... DirectLookup::object
    lookup_walk,      // ... DirectLookup::walk
  };
  Kind kind{};
  std::uint32_t index = 0;
  friend bool operator==(const Symbol&, const Symbol&) = default;
};

// Bytes from a value of an array to the next, which code has in it.
[[nodiscard]] constexpr std::uint64_t stride_of(const program::MapSpec& array) {
  return (array.value_size + 7ULL) & ~7ULL;
}

struct Relocation {
  enum class Kind : std::uint8_t {
    absolute,  // 8 bytes at `offset`
    call,      // the call instruction that ends at `offset` (x86-64), or begins there (arm64), may go there directly
  };
  Kind kind{};
  std::uint32_t offset = 0;  // bytes from the code's start
  Symbol symbol;
  std::uint64_t addend = 0;
};

// Where code of an instruction begins; they come by rising offset.
struct CodeLine {
  std::uint32_t offset = 0;
  std::uint32_t instruction = 0;
};

struct MachineCode {
  std::vector<std::byte> bytes;
  std::vector<Relocation> relocations;
  std::vector<CodeLine> lines;
  std::vector<std::uint32_t> functions;  // offset of each subprogram; kNone where it is dead
  std::uint32_t enter = 0;               // offset of what C++ calls (emit_enter() of an architecture)
  std::uint32_t code_end = 0;            // what follows is data
};

class JitImage final : public exec::Image {
 public:
  JitImage(std::string_view backend, Arch arch, const exec::CompileOptions& options,
           std::shared_ptr<const verifier::VerifiedProgram> program, MachineCode code)
      : backend_(backend), arch_(arch), options_(options), program_(std::move(program)), code_(std::move(code)) {}

  std::string_view backend() const override { return backend_; }
  std::size_t bytes() const override { return code_.bytes.size(); }
  std::string listing() const override;
  const verifier::VerifiedProgram& program() const override { return *program_; }

  [[nodiscard]] std::shared_ptr<const verifier::VerifiedProgram> shared_program() const { return program_; }
  [[nodiscard]] Arch arch() const { return arch_; }
  [[nodiscard]] const exec::CompileOptions& options() const { return options_; }
  [[nodiscard]] const MachineCode& code() const { return code_; }

 private:
  std::string_view backend_;
  Arch arch_;
  exec::CompileOptions options_;
  std::shared_ptr<const verifier::VerifiedProgram> program_;
  MachineCode code_;
};

}  // namespace forager::jit

// SPDX-License-Identifier: Apache-2.0
//
// OpenclImage: a program as OpenCL C, for any device: the driver's compiler takes it when it is loaded (build.h).
//
// Tested by: tests/unit/opencl_compile_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/opencl/tables.h"

namespace forager::jit::opencl {

struct KernelSource {
  std::string text;                         // without the prelude
  std::vector<std::uint32_t> instructions;  // of each line of it; kNone: of none
  std::vector<Table> tables;                // by map
  unsigned switched = 0;                    // functions that are a switch in a loop
};

class OpenclImage final : public exec::Image {
 public:
  OpenclImage(std::shared_ptr<const verifier::VerifiedProgram> program, KernelSource made)
      : program_(std::move(program)), made_(std::move(made)) {}

  std::string_view backend() const override { return "opencl"; }
  std::size_t bytes() const override { return made_.text.size(); }
  std::string listing() const override { return made_.text; }
  const verifier::VerifiedProgram& program() const override { return *program_; }

  [[nodiscard]] const KernelSource& source() const { return made_; }

 private:
  std::shared_ptr<const verifier::VerifiedProgram> program_;
  KernelSource made_;
};

// What stands before every program: the functions of isa.def, and cl/.
[[nodiscard]] std::string_view prelude();

}  // namespace forager::jit::opencl

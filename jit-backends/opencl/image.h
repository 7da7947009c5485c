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
#include "exec/host_helpers.h"
#include "jit-backends/opencl/tables.h"

namespace forager::jit::opencl {

using VerifiedRef = std::shared_ptr<const verifier::VerifiedProgram>;

// Where a line of the source comes from.
struct Origin {
  std::uint32_t program = 0;  // of KernelSource::programs
  std::uint32_t instruction = program::kNone;
};

struct KernelSource {
  std::string text;                   // without the prelude
  std::vector<Origin> origins;        // of each line of it
  std::vector<VerifiedRef> programs;  // the first runs, and calls the others' tails
  std::vector<Table> tables;          // by map of the kernel
  unsigned switched = 0;              // functions that are a switch in a loop

  [[nodiscard]] bool sees_skb() const;
  [[nodiscard]] bool calls(exec::HelperId helper) const;
};

class OpenclImage final : public exec::Image {
 public:
  OpenclImage(KernelSource made, const exec::CompileOptions& options) : made_(std::move(made)), options_(options) {}

  std::string_view backend() const override { return "opencl"; }
  std::size_t bytes() const override { return made_.text.size(); }
  std::string listing() const override { return made_.text; }
  const verifier::VerifiedProgram& program() const override { return *made_.programs.front(); }

  [[nodiscard]] const KernelSource& source() const { return made_; }
  [[nodiscard]] const exec::CompileOptions& options() const { return options_; }

 private:
  KernelSource made_;
  exec::CompileOptions options_;
};

// What stands before every program: the functions of isa.def, and cl/; and besides before programs that see a
// __sk_buff, print, or look up routes.
[[nodiscard]] std::string_view prelude();
[[nodiscard]] std::string_view skb_prelude();
[[nodiscard]] std::string_view trace_prelude();
[[nodiscard]] std::string_view fib_prelude();
// What stands before this one.
[[nodiscard]] std::string prelude_of(const KernelSource& source);

}  // namespace forager::jit::opencl

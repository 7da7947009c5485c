// SPDX-License-Identifier: Apache-2.0
//
// The interpreter as a backend sees it: its image is the verified program itself, its device a Machine on the calling
// thread.
//
// Tested by: tests/unit/interp_device_test.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "exec/backend.h"

namespace forager::interp {

// How much a machine watches over its program besides memory safety; each includes those before it.
enum class Checking : std::uint8_t { memory, initialisation, facts };

[[nodiscard]] constexpr Checking checking_of(const exec::CompileOptions& options) {
  if (options.assert_facts) return Checking::facts;
  return options.checked ? Checking::initialisation : Checking::memory;
}

class ProgramImage : public exec::Image {
 public:
  ProgramImage(std::shared_ptr<const verifier::VerifiedProgram> program, const exec::CompileOptions& options)
      : program_(std::move(program)), checking_(checking_of(options)) {}

  [[nodiscard]] std::string_view backend() const override { return "interp"; }
  [[nodiscard]] std::size_t bytes() const override { return program_->program().slots().size_bytes(); }
  [[nodiscard]] std::string listing() const override;
  [[nodiscard]] const verifier::VerifiedProgram& program() const override { return *program_; }

  [[nodiscard]] const std::shared_ptr<const verifier::VerifiedProgram>& shared() const { return program_; }
  [[nodiscard]] Checking checking() const { return checking_; }

 private:
  std::shared_ptr<const verifier::VerifiedProgram> program_;
  Checking checking_;
};

[[nodiscard]] std::unique_ptr<exec::Device> make_device(const exec::DeviceOptions& options);

}  // namespace forager::interp

// SPDX-License-Identifier: Apache-2.0
//
// The interpreter as a backend sees it: its image is the verified program itself, its device a Machine on the calling
// thread.
//
// Tested by: tests/unit/interp_device_test.cc.
#pragma once

#include <memory>

#include "exec/backend.h"

namespace forager::interp {

class ProgramImage : public exec::Image {
 public:
  ProgramImage(std::shared_ptr<const verifier::VerifiedProgram> program, bool checked)
      : program_(std::move(program)), checked_(checked) {}

  [[nodiscard]] std::string_view backend() const override { return "interp"; }
  [[nodiscard]] std::size_t bytes() const override { return program_->program().slots().size_bytes(); }
  [[nodiscard]] std::string listing() const override;
  [[nodiscard]] const verifier::VerifiedProgram& program() const override { return *program_; }

  [[nodiscard]] const std::shared_ptr<const verifier::VerifiedProgram>& shared() const { return program_; }
  [[nodiscard]] bool checked() const { return checked_; }

 private:
  std::shared_ptr<const verifier::VerifiedProgram> program_;
  bool checked_;
};

[[nodiscard]] std::unique_ptr<exec::Device> make_device(const exec::DeviceOptions& options);

}  // namespace forager::interp

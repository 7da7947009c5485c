// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the arm64 generator share: programs, their images, and the machine instructions in these.
#pragma once

#include <gmock/gmock.h>

#include <cstring>

#include "jit-backends/arm64/backend.h"
#include "jit-backends/arm64/generate.h"
#include "jit-backends/common/features.h"
#include "jit-backends/common/listing.h"
#include "jit-backends/common/passes/passes.h"
#include "program_testing.h"

namespace forager::jit::testing {

using isa::ProgType;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

inline std::shared_ptr<const verifier::VerifiedProgram> verified(std::string_view text, ProgType type,
                                                                 std::vector<program::MapSpec> maps = {}) {
  program::Source source = program::testing::source_of(text, type);
  source.maps = std::move(maps);
  const auto bare = program::Program::decode(source);
  EXPECT_TRUE(bare) << program::testing::verdict(bare);
  if (!bare) return nullptr;
  for (const program::Subprogram& subprogram : bare->subprograms()) {  // as clang -g names them
    source.functions.push_back({.slot = bare->instructions()[subprogram.begin].slot, .name = "function"});
  }
  auto program = program::Program::decode(std::move(source));
  EXPECT_TRUE(program) << program::testing::verdict(program);
  if (!program) return nullptr;
  auto result = verifier::verify(std::move(*program));
  EXPECT_TRUE(result) << program::testing::verdict(result);
  return result.value_or(nullptr);
}

inline std::shared_ptr<const JitImage> image_of(const std::shared_ptr<const verifier::VerifiedProgram>& program,
                                                const Settings& settings = {}) {
  if (program == nullptr) return nullptr;
  // These tests are about rules: what is stored and loaded again stays so.
  const auto code = optimised(*program, {.passes_off = pass_bit("forward")});
  EXPECT_TRUE(code) << program::testing::verdict(code);
  if (!code) return nullptr;
  auto made = arm64::generate(*code, settings);
  EXPECT_TRUE(made) << program::testing::verdict(made);
  if (!made) return nullptr;
  return std::make_shared<const JitImage>("arm64", Arch::arm64, exec::CompileOptions{}, program, std::move(*made));
}

// "operation operands" of each machine instruction behind enter(), without what only aligns functions.
inline std::vector<std::string> instructions(const JitImage& image) {
  std::vector<std::string> found;
  bool entered = false;
  for (const MachineLine& line : disassemble(image)) {
    if (entered && line.operation != "nop") {
      found.push_back(line.operands.empty() ? line.operation : line.operation + " " + line.operands);
    }
    entered = entered || line.operation == "ret";
  }
  return found;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

inline std::string code_of(std::string_view text, const Settings& settings = {}, ProgType type = ProgType::raw_memory,
                           std::vector<program::MapSpec> maps = {}) {
  const auto image = image_of(verified(text, type, std::move(maps)), settings);
  return image == nullptr ? "" : joined(instructions(*image));
}

}  // namespace forager::jit::testing

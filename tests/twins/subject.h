// SPDX-License-Identifier: Apache-2.0
//
// Subject: one program as both verifiers are asked about it, ours as a program::Source with maps by index, the kernel's
// as a LoadCall with maps by descriptor. Slot for slot the two are the same, so that one mutation is applied to both.
//
// Tested by: tests/twins/tee_test.cc.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "program/program.h"
#include "tests/twins/kernel_door.h"
#include "verifier/verify.h"

namespace forager::twins {

struct Subject {
  std::string object;  // the file's or the generator's name
  std::string name;    // the program's
  program::Source source;
  std::optional<Diagnostic> missing;  // why ours was not asked: `source` is empty then
  LoadCall kernel;
  std::shared_ptr<void> maps;  // keeps the kernel's descriptors open

  [[nodiscard]] std::string title() const { return object + "/" + name; }
};

// Whether the kernel keeps tracing programs like this one (iterators over map elements, say) from everybody: then its
// EPERM is no verdict.
[[nodiscard]] inline bool keeps_away(const Subject& subject, const Verdict& kernel) {
  return kernel.error == EPERM && subject.source.type == isa::ProgType::tracing;
}

// Decodes and verifies. The message is the Diagnostic's text.
[[nodiscard]] Verdict ask_ours(program::Source source, const verifier::Options& options = {},
                               verifier::Report* report = nullptr);

// A subject of a program that no libbpf loaded: its maps are made in the kernel, if that can be asked. Errors: system.
[[nodiscard]] Result<Subject> subject_of(program::Source source);

}  // namespace forager::twins

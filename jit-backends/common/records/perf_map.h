// SPDX-License-Identifier: Apache-2.0
//
// The perf map, /tmp/perf-PID.map: a line "START SIZE NAME" for each function, in hexadecimal
// (tools/perf/Documentation/jit-interface.txt). perf(1) reads it when it reports.
//
// A map knows no time. A line stays when its code is freed, since samples may name it; when the memory is used again,
// the lines that were there become lines of nothing (zeros, in place: others may be appending to the same file).
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <map>

#include "jit-backends/common/records/code_registry.h"
#include "jit-backends/common/records/record_file.h"

namespace forager::jit {

class PerfMap final : public CodeListener {
 public:
  // perf-PID.map in the directory; perf looks in /tmp. Errors: system.
  [[nodiscard]] static Result<std::unique_ptr<CodeListener>> make(const std::string& directory);

  Result<> added(const PlacedCode& code) override;
  void removed(const PlacedCode&) noexcept override {}

 private:
  struct Line {
    std::uint64_t end = 0;  // of the code
    off_t at = 0;           // in the file
    std::size_t digits = 0;
  };

  explicit PerfMap(RecordFile file) : file_(std::move(file)) {}
  void strike(std::uint64_t begin, std::uint64_t end);

  RecordFile file_;
  std::map<std::uint64_t, Line> lines_;  // by where the code begins; none overlap
};

}  // namespace forager::jit

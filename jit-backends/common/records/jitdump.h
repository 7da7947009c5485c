// SPDX-License-Identifier: Apache-2.0
//
// The jitdump, jit-PID.dump: code with its bytes, its lines and the time from which on it is there, for `perf inject
// --jit`. The format is perf's (tools/perf/Documentation/jitdump-specification.txt), version 1, in the machine's byte
// order; times are CLOCK_MONOTONIC's, as those of `perf record -k mono`.
//
// perf learns of the file by a mapping of it that may be executed, which stays as long as the recording.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "jit-backends/common/records/code_registry.h"
#include "jit-backends/common/records/code_symbols.h"
#include "jit-backends/common/records/record_file.h"

namespace forager::jit {

class JitDump final : public CodeListener {
 public:
  // Errors: system.
  [[nodiscard]] static Result<std::unique_ptr<CodeListener>> make(const std::string& directory);
  ~JitDump() override;

  Result<> added(const PlacedCode& code) override;
  // The format has no such record: code that takes its place is later.
  void removed(const PlacedCode&) noexcept override {}

 private:
  explicit JitDump(RecordFile file) : file_(std::move(file)) {}
  [[nodiscard]] Result<> begin();
  void put_lines(const PlacedCode& code, const CodeSymbol& symbol, std::span<const SourcePlace> lines);
  void put_code(const PlacedCode& code, const CodeSymbol& symbol);
  [[nodiscard]] Result<> write();

  RecordFile file_;
  void* marker_ = nullptr;
  std::uint64_t next_index_ = 0;
  std::vector<std::byte> out_;
};

}  // namespace forager::jit

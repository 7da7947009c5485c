// SPDX-License-Identifier: Apache-2.0
//
// The JIT interface of GDB and LLDB ("JIT Compilation Interface" in GDB's manual): a list of symbol files in memory
// (symbol_file.h), and a function with a breakpoint in it that is called whenever the list changes.
//
// List and function are names of the process. Another JIT in it may define both as well: ours give way, and we share
// its list.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "jit-backends/common/records/code_registry.h"

extern "C" {
// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier): GDB's names
struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  std::uint64_t symfile_size;
};

struct jit_descriptor {
  std::uint32_t version;
  std::uint32_t action_flag;  // JIT_NOACTION, JIT_REGISTER_FN, JIT_UNREGISTER_FN: 0 to 2
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

extern jit_descriptor __jit_debug_descriptor;
void __jit_debug_register_code();
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)
}

namespace forager::jit {

class Debugger final : public CodeListener {
 public:
  // Never fails; the directory is for listeners that write files.
  [[nodiscard]] static Result<std::unique_ptr<CodeListener>> make(const std::string& directory);
  ~Debugger() override;

  Result<> added(const PlacedCode& code) override;
  void removed(const PlacedCode& code) noexcept override;

 private:
  struct Shown {
    std::vector<std::byte> file;
    jit_code_entry entry{};
  };

  Debugger() = default;

  std::unordered_map<const std::byte*, Shown> shown_;  // whose elements stay where they are
};

}  // namespace forager::jit

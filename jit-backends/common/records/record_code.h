// SPDX-License-Identifier: Apache-2.0
//
// Which profilers and debuggers are told of this process's machine code. Nobody is, unless somebody asks.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <string>

#include "jit-backends/common/records/code_registry.h"

namespace forager::jit {

struct CodeRecords {
  bool perf_map = false;           // perf_map.h
  bool jitdump = false;            // jitdump.h
  bool debugger = false;           // debugger.h
  std::string directory = "/tmp";  // of both files; perf looks for its map in /tmp only
};

// From now on, until the process exits or silence(); code that stands already is recorded too. Errors: system,
// EBUSY for what is recorded already; what could be done is done. Later trouble goes to `on_trouble`, once a record.
[[nodiscard]] Result<> record_code(const CodeRecords& records, const CodeRegistry::OnTrouble& on_trouble = {});

}  // namespace forager::jit

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/record_code.h"

#include <cstdlib>
#include <mutex>

#include "jit-backends/common/records/debugger.h"
#include "jit-backends/common/records/jitdump.h"
#include "jit-backends/common/records/perf_map.h"

namespace forager::jit {
namespace {

// A jitdump has an end.
void end_at_exit() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit([] { CodeRegistry::of_process().silence(); }); });
}

}  // namespace

Result<> record_code(const CodeRecords& records, const CodeRegistry::OnTrouble& on_trouble) {
  end_at_exit();
  Result<> all;
  const auto start = [&](bool wanted, auto make) {
    if (!wanted) return;
    auto made = make(records.directory);
    auto done = made ? CodeRegistry::of_process().listen(std::move(*made), on_trouble)
                     : Result<>(std::unexpected(std::move(made.error())));
    if (!done && all) all = std::move(done);
  };
  start(records.perf_map, PerfMap::make);
  start(records.jitdump, JitDump::make);
  start(records.debugger, Debugger::make);
  return all;
}

}  // namespace forager::jit

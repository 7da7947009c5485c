// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/record_code.h"

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <typeinfo>
#include <utility>

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

// A second one would empty the first one's file.
template <class Record>
Result<> start(const CodeRecords& records, const CodeRegistry::OnTrouble& on_trouble) {
  CodeRegistry& registry = CodeRegistry::of_process();
  if (registry.has_listener(typeid(Record))) return fail(ErrorKind::system, EBUSY, "machine code is recorded already");
  auto made = Record::make(records.directory);
  if (!made) return std::unexpected(std::move(made.error()));
  return registry.listen(std::move(*made), on_trouble);
}

}  // namespace

Result<> record_code(const CodeRecords& records, const CodeRegistry::OnTrouble& on_trouble) {
  static std::mutex one_at_a_time;
  const std::lock_guard guard(one_at_a_time);
  end_at_exit();
  Result<> all;
  const auto note = [&](Result<> done) {
    if (!done && all) all = std::move(done);
  };
  if (records.perf_map) note(start<PerfMap>(records, on_trouble));
  if (records.jitdump) note(start<JitDump>(records, on_trouble));
  if (records.debugger) note(start<Debugger>(records, on_trouble));
  return all;
}

}  // namespace forager::jit

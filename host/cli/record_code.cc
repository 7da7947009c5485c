// SPDX-License-Identifier: Apache-2.0
#include "cli/record_code.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "jit-backends/common/records/record_code.h"

namespace forager::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

void warn(const Diagnostic& why) {
  fmt::print(stderr, "forager: machine code is not shown to profilers: {}\n", why.text());
}

void read_perf(std::string_view asked, jit::CodeRecords& records) {
  while (!asked.empty()) {
    const std::string_view word = asked.substr(0, asked.find(','));
    asked.remove_prefix(std::min(asked.size(), word.size() + 1));
    if (word == "map") {
      records.perf_map = true;
    } else if (word == "jitdump") {
      records.jitdump = true;
    } else {
      warn({.kind = ErrorKind::input,
            .error = EINVAL,
            .message = fmt::format("FORAGER_PERF is 'map' or 'jitdump', not '{}'", word)});
    }
  }
}

}  // namespace

void record_machine_code() {
  jit::CodeRecords records;
  read_perf(variable("FORAGER_PERF"), records);
  records.debugger = variable("FORAGER_GDB") == "1";
  if (const auto directory = variable("FORAGER_PERF_DIR"); !directory.empty()) records.directory = directory;
  if (!records.perf_map && !records.jitdump && !records.debugger) return;
  if (auto done = jit::record_code(records, warn); !done) warn(done.error());
}

}  // namespace forager::cli

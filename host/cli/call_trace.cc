// SPDX-License-Identifier: Apache-2.0
#include "cli/call_trace.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "syscall/process.h"

namespace forager::cli {

Result<> trace_calls() {
  const char* const wanted = std::getenv("FORAGER_TRACE");
  if (wanted == nullptr || *wanted == '\0') return {};
  // Open until the command ends, like the process that writes to it.
  std::FILE* const to = std::string_view(wanted) == "1" ? stderr : std::fopen(wanted, "ae");
  if (to == nullptr) return fail(ErrorKind::system, errno, fmt::format("FORAGER_TRACE: cannot write {}", wanted));
  syscall::process().on_call = [to](const syscall::FinishedCall& call) {
    const std::string line = syscall::trace_line(call) + "\n";
    std::fwrite(line.data(), 1, line.size(), to);
    std::fflush(to);
  };
  return {};
}

}  // namespace forager::cli

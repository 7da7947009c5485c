// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value, or a Diagnostic that a person can act on.
//
// Every fallible call of the project returns it; nothing throws across a public boundary. A Diagnostic says
// what went wrong, where (instruction and C line, when a program is at fault) and, for limits, what was
// allowed and what was asked. Its kind tells a user what to do next: fix the program (rejected), take
// another backend (unsupported), make something smaller (limit), fix an input file (input), look at the
// machine (system), or report to us (bug).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace forager {

enum class ErrorKind : std::uint8_t {
  rejected,     // the program is unsafe or malformed
  unsupported,  // sound, but this backend or this build does not do it
  limit,        // more was asked than a stated limit allows
  input,        // a file or an argument cannot be used
  system,       // the operating system refused
  bug,          // an internal contract is broken: ours to fix
};

// "rejected", "unsupported", ... as written in JSON output.
[[nodiscard]] constexpr const char* to_string(ErrorKind kind) {
  constexpr const char* kNames[] = {"rejected", "unsupported", "limit", "input", "system", "bug"};
  return kNames[static_cast<std::uint8_t>(kind)];
}

struct Diagnostic {
  ErrorKind kind = ErrorKind::bug;
  int error = 0;                             // errno of the same class of failure in Linux; positive, 0 if none
  std::string message;                       // one line, no trailing newline or full stop
  std::optional<std::uint32_t> instruction;  // slot index (as bpftool and the kernel's log count), if any
  std::string source;                        // "file.c:12: C text" from BTF line info, if any
  std::optional<std::uint64_t> limit;        // what is allowed ...
  std::optional<std::uint64_t> asked;        // ... and what was asked
  std::string function;                      // of the program, if one is at fault
  std::vector<std::string> path;             // the branches that lead there, a line each, first to last
  std::string hint;                          // what to do about it, if that can be told

  // The one line shown to people: message, place, limit and asked.
  [[nodiscard]] std::string text() const {
    std::string out = message;
    if (instruction) out += ", at instruction " + std::to_string(*instruction);
    if (!function.empty()) out += (instruction ? " of " : ", in ") + function;
    if (!source.empty()) out += " (" + source + ")";
    if (limit) out += "; limit " + std::to_string(*limit);
    if (asked) out += (limit ? ", asked " : "; asked ") + std::to_string(*asked);
    return out;
  }
};

template <class T = void>
using Result = std::expected<T, Diagnostic>;

// fail(ErrorKind::input, EINVAL, "...") reads well in a return statement of any Result<T>.
[[nodiscard]] inline std::unexpected<Diagnostic> fail(ErrorKind kind, int error, std::string message) {
  Diagnostic diagnostic;
  diagnostic.kind = kind;
  diagnostic.error = error;
  diagnostic.message = std::move(message);
  return std::unexpected(std::move(diagnostic));
}

}  // namespace forager

// SPDX-License-Identifier: Apache-2.0
#include "runtime/placement.h"

#include <fmt/format.h>

#include <cerrno>
#include <string_view>

#include "exec/blockers.h"
#include "jit-backends/backends.h"

namespace forager::runtime {
namespace {

std::vector<std::string> names_to_try(const PlacementRequest& request) {
  std::vector<std::string> names;
  if (request.backend.empty()) {
    for (const jit::BackendRow& row : jit::backends()) names.emplace_back(row.name);
    return names;
  }
  names.push_back(request.backend);
  names.insert(names.end(), request.fallback.begin(), request.fallback.end());
  return names;
}

std::unexpected<Diagnostic> unknown_backend(std::string_view name) {
  std::string known;
  for (const jit::BackendRow& row : jit::backends()) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  return fail(ErrorKind::input, EINVAL, fmt::format("no backend is named '{}'; there are: {}", name, known));
}

Diagnostic no_checked_mode() {
  return {.kind = ErrorKind::unsupported, .error = EOPNOTSUPP, .message = "it has no checked mode"};
}

}  // namespace

Result<Placement> place(const verifier::VerifiedProgram& program, const PlacementRequest& request) {
  Placement placement;
  const std::vector<std::string> names = names_to_try(request);
  for (const std::string& name : names) {
    if (jit::find_backend(name) == nullptr) return unknown_backend(name);
  }
  for (const std::string& name : names) {
    placement.backend = jit::find_backend(name);
    const exec::Capabilities& able = placement.backend->capabilities();
    auto blockers = exec::blockers(program, able);
    if (request.checked && !able.checked) blockers.push_back(no_checked_mode());
    if (blockers.empty()) return placement;
    placement.refused.push_back({name, std::move(blockers.front())});
  }
  Diagnostic first = std::move(placement.refused.front().why);
  first.message =
      fmt::format("backend {} does not take program {}: {}", names.front(), program.program().name(), first.message);
  return std::unexpected(std::move(first));
}

}  // namespace forager::runtime

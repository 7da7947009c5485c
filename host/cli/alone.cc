// SPDX-License-Identifier: Apache-2.0
#include "cli/alone.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>

#include "isa/tables.h"
#include "runtime/runtime.h"

namespace forager::cli {
namespace {

// Why libbpf has nothing to hand over: these programs' arguments have the types of a running kernel's functions.
std::unexpected<Diagnostic> needs_kernel(const std::string& path, const isa::ProgTypeRow& type) {
  return fail(ErrorKind::unsupported, EOPNOTSUPP,
              fmt::format("{}: program type {}: its context is typed by a kernel's BTF, which is not read here", path,
                          type.name));
}

const isa::ProgTypeRow* kernel_typed(const api::ElfObject& object, const std::string& program) {
  const auto found = object.program(program);
  const isa::ProgTypeRow* row =
      found ? isa::find_prog_type(static_cast<std::uint32_t>(::bpf_program__type(*found))) : nullptr;
  if (row == nullptr) return nullptr;
  using enum isa::ProgType;
  return row->type == tracing || row->type == lsm || row->type == struct_ops || row->type == ext ? row : nullptr;
}

}  // namespace

// Filling a PROG_ARRAY with programs that were left out fails after the program is loaded, which is of no interest.
Result<> load_alone(const std::string& path, const std::string& program, const api::OpenOptions& options,
                    const api::LoadWatcher& seen) {
  auto object = api::ElfObject::open(path, options);
  if (!object) return std::unexpected(std::move(object.error()));
  for (bpf_program* one : object->programs()) ::bpf_program__set_autoload(one, program == ::bpf_program__name(one));
  bool found = false;
  auto loaded = object->load([&](const runtime::LoadAttempt& attempt) {
    // Kernel names are cut at 15 characters; libbpf's feature probes have names of their own.
    if (attempt.source.name != program.substr(0, BPF_OBJ_NAME_LEN - 1)) return;
    found = true;
    seen(attempt);
  });
  if (found) return {};
  if (const auto* type = kernel_typed(*object, program)) return needs_kernel(path, *type);
  if (!loaded) return loaded;
  return fail(ErrorKind::bug, ENOENT, fmt::format("{}: program {} was not loaded", path, program));
}

}  // namespace forager::cli

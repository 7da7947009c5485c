// SPDX-License-Identifier: Apache-2.0
#include "cli/alone.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>

#include "runtime/runtime.h"

namespace forager::cli {

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
  if (!loaded) return loaded;
  return fail(ErrorKind::bug, ENOENT, fmt::format("{}: program {} was not loaded", path, program));
}

}  // namespace forager::cli

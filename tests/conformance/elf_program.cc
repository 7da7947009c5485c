// SPDX-License-Identifier: Apache-2.0
#include "elf_program.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "isa/tables.h"
#include "runtime/session.h"
#include "syscall/process.h"

namespace forager::conformance {
namespace {

using ObjectPtr = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

int silent(libbpf_print_level, const char*, va_list) { return 0; }

std::unexpected<Diagnostic> unusable(const std::string& what, int error) {
  return fail(ErrorKind::input, error, fmt::format("{}: {}", what, std::strerror(error)));
}

// The first program. All are loaded, since the first may tail-call the others.
Result<bpf_program*> choose(bpf_object* object) {
  bpf_program* first = nullptr;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (first == nullptr) first = program;
    if (bpf_program__type(program) != BPF_PROG_TYPE_UNSPEC) continue;
    bpf_program__set_type(program, static_cast<bpf_prog_type>(isa::ProgType::raw_memory));
  }
  if (first == nullptr) return fail(ErrorKind::input, EINVAL, "the ELF object holds no program");
  return first;
}

// What our bpf(2) refused, in its own words, if it was a program.
struct LastRefusal {
  std::optional<Diagnostic> error;
};

Result<std::shared_ptr<runtime::ProgramObject>> load(bpf_object* object) {
  auto program = choose(object);
  if (!program) return std::unexpected(std::move(program.error()));
  auto refusal = std::make_shared<LastRefusal>();
  runtime::Settings& settings = syscall::process().runtime.settings;
  settings.on_load = [refusal](const runtime::LoadAttempt& attempt) {
    if (attempt.error != nullptr) refusal->error = *attempt.error;
  };
  const int error = bpf_object__load(object);
  settings.on_load = nullptr;
  if (error != 0 && refusal->error) return std::unexpected(std::move(*refusal->error));
  if (error != 0) return unusable("the ELF object cannot be loaded", -error);
  auto found = syscall::process().fds.find<runtime::ProgramObject>(bpf_program__fd(*program));
  if (!found) return fail(ErrorKind::bug, -found.error(), "a loaded program has no descriptor of ours");
  return std::move(*found);
}

Result<exec::Frame> frame_for(isa::ProgType type, std::span<const std::byte> memory) {
  if (type == isa::ProgType::raw_memory) return exec::Frame::raw(memory);
  return exec::Frame::make(memory);
}

}  // namespace

Result<std::uint64_t> run_elf(std::span<const std::byte> elf, std::span<const std::byte> memory,
                              const std::string& backend) {
  libbpf_set_print(silent);
  const ObjectPtr object(bpf_object__open_mem(elf.data(), elf.size(), nullptr), &bpf_object__close);
  if (object == nullptr) return unusable("not a BPF ELF object", errno);
  auto program = load(object.get());
  if (!program) return std::unexpected(std::move(program.error()));
  const isa::ProgType type = (*program)->type();
  auto session = runtime::Session::open(syscall::process().runtime.environment, std::move(*program),
                                        {.placement = {.backend = backend, .fallback = {}}});
  if (!session) return std::unexpected(std::move(session.error()));
  auto frame = frame_for(type, memory);
  if (!frame) return std::unexpected(std::move(frame.error()));
  if (auto report = session->run({&*frame, 1}); !report) return std::unexpected(std::move(report.error()));
  if (frame->results().trap != nullptr) return std::unexpected(std::move(*frame->change_results().trap));
  return type == isa::ProgType::raw_memory ? frame->return_value : static_cast<std::uint32_t>(frame->return_value);
}

}  // namespace forager::conformance

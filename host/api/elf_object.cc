// SPDX-License-Identifier: Apache-2.0
#include "api/elf_object.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "api/elf_check.h"
#include "api/preflight.h"
#include "program/program.h"
#include "syscall/messages.h"
#include "syscall/process.h"

namespace forager::api {
namespace {

constexpr std::size_t kLogBytes = 64 << 10;
constexpr unsigned kLogStatistics = 4;  // BPF_LOG_STATS: next to nothing

std::unexpected<Diagnostic> libbpf_failed(const std::string& path, const syscall::MessageCapture& said, int error) {
  std::string cause = said.first();
  if (cause.empty()) cause = std::strerror(error);
  return fail(ErrorKind::input, error, fmt::format("{}: {}", path, cause));
}

thread_local const LoadWatcher* t_watcher = nullptr;

// The runtime has one observer for all threads; ours asks the thread that loads.
void watch_loads() {
  static std::once_flag once;
  std::call_once(once, [] {
    syscall::process().runtime.settings.on_load = [](const runtime::LoadAttempt& attempt) {
      if (t_watcher != nullptr) (*t_watcher)(attempt);
    };
  });
}

int load_watched(bpf_object* object, const LoadWatcher& watcher) {
  watch_loads();
  const LoadWatcher* outer = std::exchange(t_watcher, &watcher);
  const int status = ::bpf_object__load(object);
  t_watcher = outer;
  return status;
}

Diagnostic with_name(Diagnostic diagnostic, std::string_view name) {
  diagnostic.message = fmt::format("{}: {}", name, diagnostic.message);
  return diagnostic;
}

// Sections that newer versions of libbpf know.
struct LaterSection {
  std::string_view prefix;
  isa::ProgType type;
};
constexpr LaterSection kLaterSections[] = {
    {"tcx/", isa::ProgType::sched_cls},       {"netkit/", isa::ProgType::sched_cls},
    {"netfilter", isa::ProgType::netfilter},  {"kprobe.session/", isa::ProgType::kprobe},
    {"uprobe.multi/", isa::ProgType::kprobe}, {"uprobe.session/", isa::ProgType::kprobe}};

const isa::ProgTypeRow* type_of_section(std::string_view section) {
  const auto known = std::ranges::find_if(
      kLaterSections, [section](const LaterSection& row) { return section.starts_with(row.prefix); });
  return known == std::end(kLaterSections) ? nullptr : isa::find_prog_type(static_cast<std::uint32_t>(known->type));
}

// For programs in sections that libbpf has no type for. Errors: input, if there is none to give them.
Result<> set_types(const ElfObject& object, const std::string& type) {
  const isa::ProgTypeRow* asked = isa::find_prog_type(type);
  if (!type.empty() && asked == nullptr) {
    return fail(ErrorKind::input, EINVAL, fmt::format("no program type is called '{}'; see forager feature", type));
  }
  for (bpf_program* program : object.programs()) {
    if (::bpf_program__type(program) != BPF_PROG_TYPE_UNSPEC) continue;
    const isa::ProgTypeRow* named = type_of_section(::bpf_program__section_name(program));
    const isa::ProgTypeRow* row = named != nullptr ? named : asked;
    if (row == nullptr) {
      return fail(
          ErrorKind::input, EINVAL,
          fmt::format("{}: program '{}' is in section '{}', which names no program type (as \"xdp\" or \"tc\" does)",
                      object.path(), ::bpf_program__name(program), ::bpf_program__section_name(program)));
    }
    ::bpf_program__set_type(program, static_cast<bpf_prog_type>(row->type));
  }
  return {};
}

program::MapSpec spec_of(const bpf_map* map, unsigned cpus) {
  program::MapSpec spec;
  spec.type = static_cast<isa::MapType>(::bpf_map__type(map));
  spec.key_size = ::bpf_map__key_size(map);
  spec.value_size = ::bpf_map__value_size(map);
  spec.max_entries = ::bpf_map__max_entries(map);
  spec.flags = ::bpf_map__map_flags(map);
  spec.extra = ::bpf_map__map_extra(map);
  // libbpf gives perf event arrays without a size one entry per CPU.
  if (spec.type == isa::MapType::perf_event_array && spec.max_entries == 0) spec.max_entries = cpus;
  const bpf_map* inner = ::bpf_map__inner_map(const_cast<bpf_map*>(map));
  if (inner != nullptr) spec.inner = std::make_shared<const program::MapSpec>(spec_of(inner, cpus));
  return spec;
}

std::string names_of(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

}  // namespace

void ElfObject::Close::operator()(bpf_object* object) const { ::bpf_object__close(object); }

Result<ElfObject> ElfObject::open(const std::string& path, const OpenOptions& options) {
  if (auto fine = check_elf(path); !fine) return std::unexpected(fine.error());
  if (auto survives = options.tried ? Result<>() : preflight(path); !survives) return std::unexpected(survives.error());
  const syscall::MessageCapture said;
  std::unique_ptr<bpf_object, Close> object(::bpf_object__open_file(path.c_str(), nullptr));
  if (!object) return libbpf_failed(path, said, errno);
  ElfObject result(path, std::move(object));
  if (result.programs().empty()) return fail(ErrorKind::input, ENOENT, path + ": holds no BPF program");
  if (auto typed = set_types(result, options.program_type); !typed) return std::unexpected(typed.error());
  return result;
}

Result<> ElfObject::load(const LoadWatcher& watcher) {
  const syscall::MessageCapture said;
  std::optional<Diagnostic> refused;
  // With a log of its own from the start, libbpf does not load what is refused a second time to get one.
  log_.resize(kLogBytes);
  for (bpf_program* program : programs()) {
    (void)::bpf_program__set_log_buf(program, log_.data(), log_.size());
    (void)::bpf_program__set_log_level(program, kLogStatistics);
  }
  const int status = load_watched(object_.get(), [&](const runtime::LoadAttempt& attempt) {
    const std::string_view name = whole_name(attempt.source.name);
    if (attempt.error != nullptr && !name.empty()) refused = with_name(*attempt.error, name);
    if (watcher) watcher(attempt);
  });
  if (status == 0) return {};
  auto faults = map_faults();
  if (!faults.empty()) refused = std::move(faults.front());
  if (!refused) return libbpf_failed(path_, said, -status);
  refused->message = fmt::format("{}: {}", path_, refused->message);
  return std::unexpected(std::move(*refused));
}

std::string_view ElfObject::whole_name(std::string_view cut) const {
  for (const bpf_program* program : programs()) {
    const std::string_view name = ::bpf_program__name(program);
    if (name.substr(0, BPF_OBJ_NAME_LEN - 1) == cut) return name;
  }
  return {};
}

std::vector<Diagnostic> ElfObject::map_faults() const {
  std::vector<Diagnostic> out;
  runtime::Runtime& runtime = syscall::process().runtime;
  for (const bpf_map* map : maps()) {
    auto made = runtime.create_map(spec_of(map, runtime.environment.cpus));
    if (!made) out.push_back(with_name(std::move(made.error()), ::bpf_map__name(map)));
  }
  return out;
}

const btf* ElfObject::types() const { return ::bpf_object__btf(object_.get()); }

std::vector<bpf_program*> ElfObject::programs() const {
  std::vector<bpf_program*> out;
  bpf_program* program = nullptr;
  while ((program = ::bpf_object__next_program(object_.get(), program)) != nullptr) out.push_back(program);
  return out;
}

std::vector<bpf_map*> ElfObject::maps() const {
  std::vector<bpf_map*> out;
  bpf_map* map = nullptr;
  while ((map = ::bpf_object__next_map(object_.get(), map)) != nullptr) out.push_back(map);
  return out;
}

Result<bpf_program*> ElfObject::program(std::string_view name) const {
  std::vector<std::string> names;
  std::vector<bpf_program*> plain;
  for (bpf_program* program : programs()) {
    names.emplace_back(::bpf_program__name(program));
    if (names.back() == name) return program;
    if (std::strchr(::bpf_program__section_name(program), '/') == nullptr) plain.push_back(program);
  }
  if (name.empty() && names.size() == 1) return programs().front();
  if (name.empty() && plain.size() == 1) return plain.front();
  // Several: the one the file is named after ("xdp_lb" in xdp_lb.bpf.o).
  const std::string stem = std::filesystem::path(path_).filename().string();
  for (bpf_program* program : programs()) {
    if (name.empty() && stem.starts_with(std::string(::bpf_program__name(program)) + ".")) return program;
  }
  const std::string there = fmt::format("{}; it has: {}", path_, names_of(names));
  if (name.empty()) return fail(ErrorKind::input, EINVAL, fmt::format("several programs in {}", there));
  return fail(ErrorKind::input, ENOENT, fmt::format("no program '{}' in {}", name, there));
}

Result<bpf_map*> ElfObject::map(std::string_view name) const {
  // libbpf also knows the sections of global data by their own names: ".data", ".rodata.config".
  if (bpf_map* map = ::bpf_object__find_map_by_name(object_.get(), std::string(name).c_str())) return map;
  std::vector<std::string> names;
  for (bpf_map* map : maps()) names.emplace_back(::bpf_map__name(map));
  return fail(ErrorKind::input, ENOENT, fmt::format("no map '{}' in {}; it has: {}", name, path_, names_of(names)));
}

}  // namespace forager::api

// SPDX-License-Identifier: Apache-2.0
//
// Object and Program: what libbpf loaded, as handles to the runtime's objects.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "api/guarded.h"
#include "api/state.h"
#include "exec/map.h"
#include "isa/tables.h"
#include "program/text.h"
#include "syscall/process.h"

namespace forager {
namespace {

template <class T>
Result<std::shared_ptr<T>> behind(int fd, const char* name) {
  auto found = syscall::process().fds.find<T>(fd);
  if (found) return std::move(*found);
  return fail(ErrorKind::bug, static_cast<int>(-found.error()),
              fmt::format("{} was loaded, but its descriptor {} is not ours", name, fd));
}

// By the whole name, since libbpf's handle does not outlive the object it came from.
template <class Handle>
Result<Handle> named(const std::vector<Handle>& handles, const char* name, const char* why_not) {
  const auto found = std::ranges::find(handles, name, &Handle::name);
  if (found != handles.end()) return *found;
  return fail(ErrorKind::input, ENOENT, fmt::format("{} {}", name, why_not));
}

}  // namespace

const std::string& Program::name() const { return state_->name; }
std::uint32_t Program::id() const { return state_->object->id; }

std::string_view Program::type() const {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(state_->object->type()));
  return row != nullptr ? row->name : "unknown";
}

std::string Program::disassembly() const {
  return program::disassemble(state_->object->verified->program(), {.lines = true});
}

Result<> Object::State::collect_maps() {
  const unsigned cpus = syscall::process().runtime.environment.cpus;
  for (const bpf_map* map : elf->maps()) {
    const int fd = ::bpf_map__fd(map);
    if (fd < 0) continue;
    auto user = behind<runtime::MapUser>(fd, ::bpf_map__name(map));
    if (!user) return std::unexpected(std::move(user.error()));
    const auto& object = (*user)->object();
    const std::size_t bytes = exec::host_value_size(object->spec(), cpus);
    maps.push_back(Map(std::make_shared<Map::State>(elf, fd, ::bpf_map__name(map), object, bytes)));
  }
  return {};
}

Result<> Object::State::collect_programs() {
  for (const bpf_program* program : elf->programs()) {
    const int fd = ::bpf_program__fd(program);
    if (fd < 0) continue;
    auto object = behind<runtime::ProgramObject>(fd, ::bpf_program__name(program));
    if (!object) return std::unexpected(std::move(object.error()));
    programs.push_back(
        Program(std::make_shared<Program::State>(elf, ::bpf_program__name(program), std::move(*object))));
  }
  return {};
}

Result<Object> Object::load(const std::string& path) {
  return api::guarded([&]() -> Result<Object> {
    auto elf = api::ElfObject::open(path);
    if (!elf) return std::unexpected(std::move(elf.error()));
    if (auto loaded = elf->load(); !loaded) return std::unexpected(std::move(loaded.error()));
    auto state = std::make_shared<State>();
    state->elf = std::make_shared<const api::ElfObject>(std::move(*elf));
    auto collected = state->collect_maps();
    if (collected) collected = state->collect_programs();
    if (!collected) return std::unexpected(std::move(collected.error()));
    return Object(std::move(state));
  });
}

std::vector<Program> Object::programs() const { return state_->programs; }
std::vector<Map> Object::maps() const { return state_->maps; }

Result<Program> Object::program(std::string_view name) const {
  return api::guarded([&]() -> Result<Program> {
    auto found = state_->elf->program(name);
    if (!found) return std::unexpected(std::move(found.error()));
    return named(state_->programs, ::bpf_program__name(*found), "is not loaded: its section's name begins with '?'");
  });
}

Result<Map> Object::map(std::string_view name) const {
  return api::guarded([&]() -> Result<Map> {
    auto found = state_->elf->map(name);
    if (!found) return std::unexpected(std::move(found.error()));
    return named(state_->maps, ::bpf_map__name(*found), "was not created: no program uses it");
  });
}

}  // namespace forager

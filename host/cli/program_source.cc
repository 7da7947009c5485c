// SPDX-License-Identifier: Apache-2.0
#include "cli/program_source.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "cli/prog_info.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

Result<ProgramSource> open_file(Words& words, std::initializer_list<std::string_view> keywords) {
  auto path = words.next("the object file");
  if (!path) return std::unexpected(path.error());
  auto elf = api::ElfObject::open(*path);
  if (!elf) return std::unexpected(elf.error());
  const bool named = !words.empty() && std::ranges::find(keywords, words.peek()) == keywords.end();
  auto program = elf->program(named ? *words.next("the program") : "");
  if (!program) return std::unexpected(program.error());
  if (auto loaded = elf->load(); !loaded) return std::unexpected(loaded.error());
  ProgramSource out;
  out.program = {0, ::bpf_program__name(*program), ::bpf_program__fd(*program), *program, elf->types(), {}};
  out.elf = std::make_unique<api::ElfObject>(std::move(*elf));
  return out;
}

}  // namespace

Result<> ProgramSource::save() { return world ? world->save() : Result<>{}; }

Result<ProgramSource> open_program(const Cli& cli, Words& words, std::initializer_list<std::string_view> keywords) {
  if (words.take("file")) return open_file(words, keywords);
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto program = take_program(*world, words);
  if (!program) return std::unexpected(program.error());
  ProgramSource out;
  out.world.emplace(std::move(*world));
  out.program = std::move(*program);
  return out;
}

Result<std::shared_ptr<runtime::ProgramObject>> runtime_program(const ProgramHandle& program) {
  auto info = info_of(program);
  if (!info) return std::unexpected(info.error());
  if (auto object = syscall::process().runtime.programs().find(info->id)) return object;
  return fail(ErrorKind::bug, ENOENT, fmt::format("program {} was loaded but is unknown", program.name));
}

}  // namespace forager::cli

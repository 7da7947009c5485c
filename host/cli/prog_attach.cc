// SPDX-License-Identifier: Apache-2.0
//
// forager prog attach, detach: what BPF_PROG_ATTACH puts at a map (sockmaps) or at the process's network (flow
// dissector).
//
// Both live as long as their sockets do, and sockets do not outlive a command: the runtime judges the request, and what
// it takes is kept as a row and put back when the program is loaded again.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "cli/prog_verbs.h"
#include "cli/select.h"

namespace forager::cli {
namespace {

struct TypeRow {
  const char* name;
  std::uint32_t type;
  bool takes_map;
};
constexpr std::array<TypeRow, 5> kTypes = {{{"sk_msg_verdict", BPF_SK_MSG_VERDICT, true},
                                            {"sk_skb_verdict", BPF_SK_SKB_VERDICT, true},
                                            {"sk_skb_stream_verdict", BPF_SK_SKB_STREAM_VERDICT, true},
                                            {"sk_skb_stream_parser", BPF_SK_SKB_STREAM_PARSER, true},
                                            {"flow_dissector", BPF_FLOW_DISSECTOR, false}}};

struct Asked {
  ProgramHandle program;
  const TypeRow* type = nullptr;
  int target_fd = 0;
  std::uint32_t target = 0;  // the map's kept id
};

Result<const TypeRow*> read_type(Words& words) {
  auto word = words.next("the attach type");
  if (!word) return std::unexpected(word.error());
  const auto* at = std::ranges::find(kTypes, std::string_view(*word), &TypeRow::name);
  if (at != kTypes.end()) return at;
  return usage_error(fmt::format("'{}' is no attach type of this verb; see forager prog help", *word));
}

Result<Asked> read_words(World& world, Words& words) {
  Asked out;
  auto program = take_program(world, words);
  if (!program) return std::unexpected(program.error());
  out.program = std::move(*program);
  auto type = read_type(words);
  if (!type) return std::unexpected(type.error());
  out.type = *type;
  if (out.type->takes_map) {
    auto map = take_map(world, words);
    if (!map) return std::unexpected(map.error());
    out.target_fd = map->fd;
    out.target = map->id;
  }
  if (auto end = words.end(); !end) return std::unexpected(end.error());
  return out;
}

std::unexpected<Diagnostic> refused(const Asked& asked, const char* what, int error) {
  return fail(
      ErrorKind::system, error,
      fmt::format("program {}: {} as {}: {}", asked.program.name, what, asked.type->name, std::strerror(error)));
}

bool is_row_of(const SavedLink& row, const Asked& asked) {
  return row.id == 0 && row.attach_type == asked.type->type && row.target == asked.target;
}

}  // namespace

Result<> prog_attach(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto asked = read_words(*world, words);
  if (!asked) return std::unexpected(asked.error());
  const int status =
      ::bpf_prog_attach(asked->program.fd, asked->target_fd, static_cast<bpf_attach_type>(asked->type->type), 0);
  if (status != 0) return refused(*asked, "attach", -status);
  std::erase_if(world->registry.links, [&](const SavedLink& row) { return is_row_of(row, *asked); });
  world->registry.links.push_back({0, asked->program.id, asked->type->type, asked->target});
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

Result<> prog_detach(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto asked = read_words(*world, words);
  if (!asked) return std::unexpected(asked.error());
  const auto gone = std::erase_if(world->registry.links, [&](const SavedLink& row) {
    return is_row_of(row, *asked) && row.program == asked->program.id;
  });
  if (gone == 0) return refused(*asked, "detach", ENOENT);
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/show_rows.h"

namespace forager::cli {
namespace {

Result<> print_rows(const Cli& cli, World& world, const std::vector<Place>& places, const ShownKind& kind, bool one) {
  auto list = nlohmann::ordered_json::array();
  std::string text;
  for (const Place place : places) {
    auto row = kind.row(cli, world, place);
    if (!row) return std::unexpected(row.error());
    text += kind.text(*row);
    list.push_back(std::move(*row));
  }
  if (!cli.wants_json()) {
    cli.print(text);
  } else {
    cli.print(one && list.size() == 1 ? list.front() : list);
  }
  return {};
}

}  // namespace

Result<> show_rows(const Cli& cli, Words words, const ShownKind& kind) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  if (words.empty()) return print_rows(cli, *world, kind.all(*world), kind, false);
  auto selector = kind.read(words);
  if (!selector) return std::unexpected(selector.error());
  if (auto end = words.end(); !end) return end;
  auto places = kind.find(*world, *selector);
  if (!places) return std::unexpected(places.error());
  return print_rows(cli, *world, *places, kind, true);
}

}  // namespace forager::cli

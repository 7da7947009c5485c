// SPDX-License-Identifier: Apache-2.0
//
// forager link: the links of the kept state. They are made by `forager net attach`.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "cli/links.h"
#include "cli/pins.h"
#include "cli/select.h"
#include "cli/unload.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

Json link_json(const Cli& cli, const Registry& registry, const SavedLink& link) {
  Json out = {{"id", link.id}, {"type", "xdp"}, {"prog_id", link.program}};
  if (link.target != 0) out["devname"] = port_name(link.target);
  out["ifindex"] = link.target;
  const auto paths = paths_of(registry, PinKind::link, link.id);
  if (cli.pinned && !paths.empty()) out["pinned"] = paths;
  return out;
}

std::string link_text(const Json& link) {
  std::string out =
      fmt::format("{}: xdp  prog {}  ", link["id"].get<std::uint32_t>(), link["prog_id"].get<std::uint32_t>());
  const auto port = link["ifindex"].get<std::uint32_t>();
  out += port == 0 ? "\n\tdetached" : fmt::format("\n\tifindex {}({})", port_name(port), port);
  for (std::size_t i = 0; link.contains("pinned") && i < link["pinned"].size(); ++i)
    out += fmt::format("\n\tpinned {}", link["pinned"][i].get<std::string>());
  return out + "\n";
}

Result<> show(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  std::vector<SavedLink> links;
  const bool one = !words.empty();
  if (one) {
    auto selector = read_link_selector(words);
    if (!selector) return std::unexpected(selector.error());
    auto link = one_link(*world, *selector);
    if (!link) return std::unexpected(link.error());
    links.push_back(*link);
  } else {
    std::ranges::copy_if(world->registry.links, std::back_inserter(links),
                         [](const auto& link) { return link.id != 0; });
  }
  if (auto end = words.end(); !end) return end;
  Json list = Json::array();
  std::string text;
  for (const SavedLink& link : links) {
    list.push_back(link_json(cli, world->registry, link));
    text += link_text(list.back());
  }
  if (!cli.wants_json()) {
    cli.print(text);
  } else {
    cli.print(one ? list.front() : list);
  }
  return {};
}

Result<> pin(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto selector = read_link_selector(words);
  if (!selector) return std::unexpected(selector.error());
  auto link = one_link(*world, *selector);
  if (!link) return std::unexpected(link.error());
  return pin_and_save(cli, *world, PinKind::link, link->id, words);
}

Result<> detach_link(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto selector = read_link_selector(words);
  if (!selector) return std::unexpected(selector.error());
  if (auto end = words.end(); !end) return end;
  auto link = one_link(*world, *selector);
  if (!link) return std::unexpected(link.error());
  detach(world->registry, link->id);
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

constexpr Verb kVerbs[] = {{"show", "[LINK]", show},
                           {"list", nullptr, show},
                           {"pin", "LINK PATH", pin},
                           {"unpin", "PATH", unpin},
                           {"detach", "LINK", detach_link}};

}  // namespace

Object link_object() {
  return {"link", "links of attached programs", kVerbs,
          "LINK := { id N | pinned PATH }; links are made by `forager net attach`\n"};
}

}  // namespace forager::cli

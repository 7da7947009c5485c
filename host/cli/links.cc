// SPDX-License-Identifier: Apache-2.0
#include "cli/links.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "cli/pins.h"

namespace forager::cli {

Result<std::uint32_t> read_port(Words& words) {
  constexpr std::string_view kPrefix = "port";
  auto word = words.next("the port");
  if (!word) return std::unexpected(word.error());
  std::string_view digits = *word;
  if (digits.starts_with(kPrefix)) digits.remove_prefix(kPrefix.size());
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error == std::errc{} && end == digits.data() + digits.size() && port != 0 && port <= INT32_MAX) return port;
  return usage_error(fmt::format("'{}' is no port: ports are virtual here, and named 1, 2 or port1, port2", *word));
}

std::string port_name(std::uint32_t port) { return fmt::format("port{}", port); }

const SavedLink* link_at(const Registry& registry, std::uint32_t port) {
  const auto at = std::ranges::find_if(registry.links, [&](const SavedLink& link) {
    return link.id != 0 && link.attach_type == BPF_XDP && link.target == port;
  });
  return at == registry.links.end() ? nullptr : &*at;
}

void detach(Registry& registry, std::uint32_t id) {
  const auto at = std::ranges::find(registry.links, id, &SavedLink::id);
  if (at == registry.links.end()) return;
  if (paths_of(registry, PinKind::link, id).empty()) {
    registry.links.erase(at);
  } else {
    at->target = 0;
  }
}

}  // namespace forager::cli

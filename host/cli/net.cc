// SPDX-License-Identifier: Apache-2.0
//
// forager net: programs at the virtual ports of the kept state. Each attachment is a link, which the runtime judges as
// BPF_LINK_CREATE when it is made; `run dev PORT FILE` of event_pipe and tracelog runs what stands there.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/links.h"
#include "cli/select.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

bool stands_at_port(const SavedLink& link) { return link.id != 0 && link.attach_type == BPF_XDP && link.target != 0; }

Json port_json(const SavedLink& link) {
  return {{"devname", port_name(link.target)}, {"ifindex", link.target}, {"mode", "driver"}, {"id", link.program}};
}

Result<std::optional<std::uint32_t>> read_device(Words& words) {
  if (words.empty()) return std::nullopt;
  if (!words.take("dev")) return usage_error(fmt::format("unexpected '{}'; dev can stand here", words.peek()));
  auto port = read_port(words);
  if (!port) return std::unexpected(port.error());
  return *port;
}

Result<> show(const Cli& cli, Words words) {
  auto port = read_device(words);
  if (!port) return std::unexpected(port.error());
  if (auto end = words.end(); !end) return end;
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  Json xdp = Json::array();
  std::string text = "xdp:\n";
  for (const SavedLink& link : world->registry.links) {
    if (!stands_at_port(link) || (*port && **port != link.target)) continue;
    xdp.push_back(port_json(link));
    text += fmt::format("{}({}) driver id {}\n", port_name(link.target), link.target, link.program);
  }
  if (cli.wants_json()) {
    cli.print(Json::array({{{"xdp", xdp}, {"tc", Json::array()}, {"flow_dissector", Json::array()}}}));
  } else {
    cli.print(text + "\ntc:\n\nflow_dissector:\n\n");
  }
  return {};
}

Result<> read_attach_type(Words& words) {
  auto word = words.next("the attach type");
  if (!word) return std::unexpected(word.error());
  if (*word == "xdp" || *word == "xdpdrv") return {};
  if (*word == "xdpgeneric" || *word == "xdpoffload")
    return usage_error(fmt::format("'{}' is a mode of the kernel's drivers; virtual ports have xdp", *word));
  return usage_error(fmt::format("'{}' cannot be attached to a port here; xdp can", *word));
}

// The runtime's own judgement: program type, attach type, port.
Result<> try_link(const ProgramHandle& program, std::uint32_t port) {
  const int fd = ::bpf_link_create(program.fd, static_cast<int>(port), BPF_XDP, nullptr);
  if (fd < 0)
    return fail(ErrorKind::system, -fd,
                fmt::format("program {}: attach to {}: {}", program.name, port_name(port), std::strerror(-fd)));
  ::close(fd);
  return {};
}

Result<> attach(const Cli& cli, Words words) {
  if (auto type = read_attach_type(words); !type) return type;
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto program = take_program(*world, words);
  if (!program) return std::unexpected(program.error());
  auto port = read_device(words);
  if (!port) return std::unexpected(port.error());
  if (!*port) return usage_error("'dev PORT' is missing");
  const bool overwrite = words.take("overwrite");
  if (auto end = words.end(); !end) return end;
  if (auto judged = try_link(*program, **port); !judged) return judged;
  Registry& registry = world->registry;
  if (const SavedLink* old = link_at(registry, **port)) {
    if (!overwrite)
      return fail(ErrorKind::input, EBUSY,
                  fmt::format("program {} is attached to {} already; say overwrite", old->program, port_name(**port)));
    detach(registry, old->id);
  }
  registry.links.push_back({++registry.link, program->id, BPF_XDP, **port});
  if (auto written = world->state().set_registry(registry); !written) return written;
  cli.print_nothing();
  return {};
}

Result<> detach_port(const Cli& cli, Words words) {
  if (auto type = read_attach_type(words); !type) return type;
  auto port = read_device(words);
  if (!port) return std::unexpected(port.error());
  if (!*port) return usage_error("'dev PORT' is missing");
  if (auto end = words.end(); !end) return end;
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  const SavedLink* link = link_at(world->registry, **port);
  if (link == nullptr)
    return fail(ErrorKind::input, ENOENT, fmt::format("no program is attached to {}", port_name(**port)));
  detach(world->registry, link->id);
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

constexpr Verb kVerbs[] = {{"show", "[dev PORT]", show},
                           {"list", nullptr, show},
                           {"attach", "xdp PROG dev PORT [overwrite]", attach},
                           {"detach", "xdp dev PORT", detach_port}};

}  // namespace

Object net_object() {
  return {"net", "programs at virtual ports", kVerbs,
          "PROG := { id N | name PROG | tag TAG | pinned PATH }\nPORT := { N | portN }\n"};
}

}  // namespace forager::cli

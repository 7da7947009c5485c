// SPDX-License-Identifier: Apache-2.0
//
// The public library in one page: load a firewall, run three packets through it, read its map.
//
//   api_example build/programs/xdp_simple_firewall.bpf.o
//
// Built here, and once more by tests/e2e/install as a stranger's project would build it; both must print
// api_example.expected.
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "forager/forager.h"

namespace {

struct UdpFrame {
  ethhdr ethernet;
  iphdr ip;
  udphdr udp;
} __attribute__((packed));

forager::Packet udp(const char* from, std::uint16_t from_port, const char* to, std::uint16_t to_port) {
  UdpFrame frame{};
  frame.ethernet.h_proto = htons(ETH_P_IP);
  frame.ip.version = 4;
  frame.ip.ihl = 5;
  frame.ip.protocol = IPPROTO_UDP;
  frame.ip.saddr = inet_addr(from);
  frame.ip.daddr = inet_addr(to);
  frame.udp.source = htons(from_port);
  frame.udp.dest = htons(to_port);
  forager::Packet packet;
  packet.bytes.resize(sizeof frame);
  std::memcpy(packet.bytes.data(), &frame, sizeof frame);
  return packet;
}

forager::Result<> run(const char* path) {
  auto object = forager::Object::load(path);
  if (!object) return std::unexpected(object.error());
  auto program = object->program("xdp_simple_firewall");
  if (!program) return std::unexpected(program.error());
  auto device = forager::Device::open(*program, {.backend = "interp"});
  if (!device) return std::unexpected(device.error());

  std::vector<forager::Packet> packets = {
      udp("10.0.0.1", 5000, "192.0.2.1", 53),  // from inside: opens a flow
      udp("192.0.2.1", 53, "10.0.0.1", 5000),  // its answer
      udp("192.0.2.9", 53, "10.0.0.1", 5000),  // nobody asked
  };
  auto report = device->run(packets);
  if (!report) return std::unexpected(report.error());
  for (const forager::Packet& packet : packets) std::puts(packet.verdict == XDP_PASS ? "pass" : "drop");

  auto flows = object->map("flows");
  auto keys = flows ? flows->keys() : std::unexpected(flows.error());
  if (!keys) return std::unexpected(keys.error());
  const std::string_view backend = device->backend();
  std::printf("%llu packets on %.*s, %zu flow\n", static_cast<unsigned long long>(report->packets),
              static_cast<int>(backend.size()), backend.data(), keys->size());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: api_example OBJECT\n");
    return 2;
  }
  auto done = run(argv[1]);
  if (done) return 0;
  std::fprintf(stderr, "api_example: %s\n", done.error().text().c_str());
  return 1;
}

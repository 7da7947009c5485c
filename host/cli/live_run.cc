// SPDX-License-Identifier: Apache-2.0
#include "cli/live_run.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/interrupt.h"
#include "cli/links.h"
#include "sim/ports/pcap_reader.h"

namespace forager::cli {
namespace {

// pcap in either byte order, with micro- or nanoseconds; pcapng.
constexpr std::array<std::string_view, 5> kCaptureMagics = {"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d",
                                                            "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a"};

Result<ProgramHandle> read_program(World& world, Words& words) {
  if (!words.take("dev")) return take_program(world, words);
  auto port = read_port(words);
  if (!port) return std::unexpected(port.error());
  const SavedLink* link = link_at(world.registry, *port);
  if (link == nullptr) return fail(ErrorKind::input, ENOENT, fmt::format("no program is attached to port {}", *port));
  auto place = world.program_place(link->program);
  if (!place) return std::unexpected(place.error());
  return world.program(*place);
}

Result<> run_packet(const ProgramHandle& program, const std::string& packet) {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet.data();
  options.data_size_in = static_cast<std::uint32_t>(packet.size());
  options.repeat = 1;
  if (const int status = ::bpf_prog_test_run_opts(program.fd, &options); status != 0)
    return fail(ErrorKind::system, -status,
                fmt::format("program {}: test run: {}", program.name, std::strerror(-status)));
  return {};
}

}  // namespace

Result<std::vector<std::string>> read_packets(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const bool is_capture = std::ranges::any_of(kCaptureMagics, [&](auto magic) { return bytes.starts_with(magic); });
  if (!is_capture) return std::vector{std::move(bytes)};
  auto packets = sim::read_capture(path);
  if (!packets) return std::unexpected(packets.error());
  std::vector<std::string> out;
  for (const sim::CapturedPacket& packet : *packets)
    out.emplace_back(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
  return out;
}

Result<LiveRun> read_live_run(World& world, Words& words) {
  LiveRun out;
  auto program = read_program(world, words);
  if (!program) return std::unexpected(program.error());
  out.program = std::move(*program);
  auto file = words.next("the file with packets");
  if (!file) return std::unexpected(file.error());
  if (words.take("repeat")) {
    auto count = words.number("the count");
    if (!count) return std::unexpected(count.error());
    out.repeat = *count;
  }
  if (auto end = words.end(); !end) return std::unexpected(end.error());
  auto packets = read_packets(*file);
  if (!packets) return std::unexpected(packets.error());
  out.packets = std::move(*packets);
  return out;
}

Result<> run_live(const LiveRun& run, const std::function<Result<>()>& after_each) {
  for (std::uint64_t i = 0; i < run.repeat; ++i) {
    for (const std::string& packet : run.packets) {
      if (interrupted()) return {};
      if (auto done = run_packet(run.program, packet); !done) return done;
      if (auto done = after_each(); !done) return done;
    }
  }
  return {};
}

Result<std::vector<exec::Frame>> frames_of(std::span<const std::string> packets) {
  std::vector<exec::Frame> frames;
  for (const std::string& packet : packets) {
    auto frame = exec::Frame::make(std::as_bytes(std::span(packet)));
    if (!frame) return std::unexpected(frame.error());
    frames.push_back(std::move(*frame));
  }
  return frames;
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/stage.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <tuple>
#include <utility>

#include "exec/skb.h"
#include "jit-backends/backends.h"

namespace forager::bench {
namespace {

constexpr std::size_t kBatch = 64;

cli::RunOptions on_interpreter() {
  cli::RunOptions options;
  options.placement.backend = "interp";
  return options;
}

}  // namespace

golden::Subject subject_of(const ExampleProgram& program) {
  const exec::Capabilities& kernel = jit::find_backend("linux")->capabilities();
  golden::Subject out;
  out.object = fmt::format("{}/{}.bpf.o", FORAGER_PROGRAMS, program.name);
  out.capture = fmt::format("{}/{}.pcap", FORAGER_CAPTURES, program.capture);
  const std::string setup = fmt::format("{}/{}.setup.json", FORAGER_SETUPS, program.name);
  if (std::filesystem::exists(setup)) out.setup = setup;
  out.min_packet_bytes = kernel.min_packet_bytes;
  out.max_packet_bytes = std::min(kernel.max_packet_bytes, exec::kMaxLinearBytes);
  return out;
}

Result<Stage> Stage::open(const ExampleProgram& program) {
  const golden::Subject subject = subject_of(program);
  auto setup = subject.setup.empty() ? Result<cli::Setup>(cli::Setup{}) : cli::read_setup(subject.setup);
  if (!setup) return std::unexpected(setup.error());
  auto packets = golden::packets_of(subject);
  if (!packets) return std::unexpected(packets.error());
  auto engine = cli::EngineRun::open(subject.object, *setup, on_interpreter());
  if (!engine) return std::unexpected(engine.error());
  return Stage(program.name, std::move(*engine), std::move(*packets), setup->ports);
}

bool Stage::uses_maps() {
  return std::ranges::any_of(program().maps, [](const auto& object) { return !object->spec().name.contains('.'); });
}

void Stage::drain() {
  const auto has_records = [](const auto& object) {
    const exec::MapAbilities& abilities = object->map->abilities();
    return abilities.ring != nullptr || abilities.perf != nullptr;
  };
  if (std::ranges::any_of(program().maps, has_records)) std::ignore = engine_.result();
}

namespace {

// Brings what programs read first into the nearest cache, where a driver's prefetch would have it.
void warm(exec::Frame& frame) {
  constexpr std::size_t kLine = 64, kHeaders = 128;
  const std::span<const std::byte> packet = std::as_const(frame).packet();
  for (std::size_t at = 0; at < std::min(packet.size(), kHeaders); at += kLine) {
    static_cast<void>(*static_cast<const volatile std::byte*>(packet.data() + at));
  }
}

}  // namespace

std::vector<exec::Frame> Stage::batch(std::size_t first) const {
  constexpr std::uint32_t kLoopback = 1;
  std::vector<exec::Frame> frames;
  const std::size_t count = std::min(kBatch, packets_.size() - std::min(first, packets_.size()));
  frames.reserve(count);
  for (std::size_t i = first; i < first + count; ++i) {
    auto frame = exec::Frame::make(packets_[i].bytes);
    if (!frame) return {};
    exec::set(*frame, offsetof(xdp_md, ingress_ifindex), kLoopback);
    frames.push_back(std::move(*frame));
  }
  std::ranges::for_each(frames, warm);
  return frames;
}

}  // namespace forager::bench

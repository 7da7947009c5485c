// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include "bench/opencl/resize.h"
#include "jit-backends/backends.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

std::vector<Pair> matrix_lines(std::istream& matrix) {
  std::vector<Pair> pairs;
  for (std::string line; std::getline(matrix, line);) {
    std::istringstream words(line);
    Pair pair;
    if (words >> pair.name >> pair.capture && !pair.name.starts_with('#')) pairs.push_back(std::move(pair));
  }
  return pairs;
}

// The last row that names it: bench/peers' is the busier one where there are two.
std::string preferred_capture(const std::string& program) {
  std::string capture;
  for (const ExampleProgram& example : kExamplePrograms) {
    if (program == example.name) capture = example.capture;
  }
  return capture;
}

struct Judged {
  std::optional<std::uint64_t> verdict;  // none: it was stopped
  std::uint64_t instructions = 0;
};

// What the interpreter makes of the packets, in order, on maps of its own. An empty packet is passed over.
Result<std::vector<Judged>> judge(const ExampleProgram& program, const std::vector<Packet>& packets) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(stage.error());
  auto device = open_device("interp", *stage, {});
  if (!device) return std::unexpected(device.error());
  std::vector<Judged> judged(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (packets[i].empty()) continue;
    std::vector<exec::Frame> frame;
    frame.push_back(*exec::Frame::make(packets[i]));
    const std::uint64_t before = (*device)->counters().instructions;
    if (auto ran = (*device)->run(frame); !ran) return std::unexpected(ran.error());
    if (frame.front().results().trap == nullptr) judged[i].verdict = frame.front().return_value;
    judged[i].instructions = (*device)->counters().instructions - before;
  }
  return judged;
}

}  // namespace

Result<std::deque<Pair>> pairs() {
  const std::string path = fmt::format("{}/matrix.txt", FORAGER_SETUPS);
  std::ifstream matrix(path);
  if (!matrix) return fail(ErrorKind::input, ENOENT, fmt::format("{} cannot be read", path));
  std::deque<Pair> found;
  for (Pair& pair : matrix_lines(matrix)) {
    const auto same = std::ranges::find(found, pair.name, &Pair::name);
    if (same == found.end()) {
      found.push_back(std::move(pair));
    } else if (pair.capture == preferred_capture(pair.name)) {
      same->capture = pair.capture;
    }
  }
  return found;
}

Result<std::unique_ptr<exec::Device>> open_device(const exec::Backend& backend,
                                                  const std::shared_ptr<const exec::Image>& image, Stage& stage,
                                                  exec::DeviceOptions options) {
  options.environment = &syscall::process().runtime.environment;
  options.ports = stage.ports();
  auto device = backend.open(options);
  if (!device) return device;
  Result<> ready = (*device)->load(image);
  const auto& maps = stage.program().maps;
  for (std::uint32_t i = 0; ready && i < maps.size(); ++i) ready = (*device)->bind(i, maps[i]->map);
  if (!ready) return std::unexpected(std::move(ready.error()));
  return device;
}

Result<std::unique_ptr<exec::Device>> open_device(const char* backend, Stage& stage,
                                                  const exec::DeviceOptions& options) {
  const exec::Backend& found = *jit::find_backend(backend);
  auto image = found.compile(stage.program().verified, {});
  if (!image) return std::unexpected(std::move(image.error()));
  return open_device(found, *image, stage, options);
}

Result<Traffic> traffic_of(const ExampleProgram& program, std::size_t bytes) {
  auto captured = golden::packets_of(subject_of(program));
  if (!captured) return std::unexpected(captured.error());
  std::vector<Packet> originals, resized;
  for (const sim::CapturedPacket& packet : *captured) {
    const std::span<const std::byte> all = std::as_bytes(std::span(packet.bytes));
    originals.emplace_back(all.begin(), all.end());
    resized.push_back(resize(originals.back(), bytes));
  }
  const auto expected = judge(program, originals);
  if (!expected) return std::unexpected(expected.error());
  const auto actual = judge(program, resized);
  if (!actual) return std::unexpected(actual.error());
  Traffic traffic;
  for (std::size_t i = 0; i < resized.size(); ++i) {
    if (resized[i].empty() || !(*actual)[i].verdict || (*actual)[i].verdict != (*expected)[i].verdict) continue;
    traffic.instructions += static_cast<double>((*actual)[i].instructions);
    traffic.packets.push_back(std::move(resized[i]));
  }
  if (!traffic.packets.empty()) traffic.instructions /= static_cast<double>(traffic.packets.size());
  return traffic;
}

}  // namespace forager::bench

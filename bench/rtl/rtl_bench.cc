// SPDX-License-Identifier: Apache-2.0
//
// Scenario `rtl`: example programs on the simulated core, saturated with 64-byte packets, `rtl/<program>/rtl`. And, of
// programs that keep flows, `rtl/<program>/steady`: with those packets alone that pass and neither add nor remove
// entries once all packets of the capture have been there, as are all packets of a flow but its first and its last.
//
// Maps are copies with a CPU for each hardware thread, and packets run at the same time (exec::Order::none),
// so answers are compared first in another run, in order, with the interpreter's. Counters: what the device tells of
// itself,
//   cycles_per_packet, sim_khz (the simulation's own speed), host_calls and host_accesses a packet, latency_p50, and
//   what cycles went to, in percent.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/common/plain_names.h"
#include "bench/peers/stage.h"
#include "helpers/registry.h"
#include "jit-backends/backends.h"
#include "maps/registry.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

// Of the device's metrics: those that every run has.
constexpr std::string_view kShown[] = {"cycles_per_packet", "latency_p50", "host_calls", "host_accesses", "issued",
                                       "stall_turn",        "stall_unit",  "stall_host", "sim_khz"};
constexpr unsigned kCpus = 8;
constexpr std::size_t kPacketBytes = 64, kPackets = 2000;

using MapPointer = std::shared_ptr<exec::Map>;

// The same entries; where values are per CPU, those of the CPUs that there are.
Result<MapPointer> copy_of(exec::Map& map) {
  exec::MapSpec spec = map.spec();
  const bool device_map = spec.type == isa::MapType::devmap || spec.type == isa::MapType::devmap_hash;
  if (device_map) spec.flags &= ~std::uint32_t{BPF_F_RDONLY_PROG};  // which every such map has, and nobody may ask for
  auto made = maps::create(spec, kCpus);
  if (!made) return made;
  std::vector<std::byte> key(map.spec().key_size), next(key.size());
  std::vector<std::byte> value(exec::host_value_size(map.spec(), kCpus));
  bool first = true;
  while (map.next_key(first ? nullptr : key.data(), next.data()) == 0) {
    first = false;
    key = next;
    if (map.read(key.data(), value.data(), 0) == 0) std::ignore = (*made)->write(key.data(), value.data(), 0);
  }
  return made;
}

// Programs whose maps gain and lose entries as packets come.
constexpr std::string_view kWithFlows[] = {"xdp_simple_firewall", "xdp_lb"};

enum class Traffic : std::uint8_t { all, steady };

class Rig {
 public:
  static Result<Rig> open(const ExampleProgram& program, Traffic traffic) {
    auto stage = Stage::open(program);
    if (!stage) return std::unexpected(stage.error());
    Rig rig(std::move(*stage));
    rig.make_frames();
    if (traffic == Traffic::steady) {
      if (auto kept = rig.keep_steady(); !kept) return std::unexpected(kept.error());
    }
    rig.environment_ = std::make_unique<exec::Environment>(syscall::process().runtime.environment);
    rig.environment_->cpus = kCpus;
    const exec::Backend& backend = *jit::find_backend("rtl");
    auto image = backend.compile(rig.stage_->program().verified, {});
    if (!image) return std::unexpected(image.error());
    return rig.load(backend, *image);
  }

  Result<> pass() {
    auto report = device_->run(frames_);
    if (!report) return std::unexpected(report.error());
    return {};
  }
  [[nodiscard]] std::vector<exec::Metric> metrics() const { return device_->counters().metrics; }

 private:
  explicit Rig(Stage stage) : stage_(std::make_unique<Stage>(std::move(stage))) {}

  Result<Rig> load(const exec::Backend& backend, const std::shared_ptr<const exec::Image>& image) {
    auto device =
        backend.open({.environment = environment_.get(), .order = exec::Order::none, .ports = stage_->ports()});
    if (!device) return std::unexpected(device.error());
    device_ = std::move(*device);
    Result<> ready = device_->load(image);
    const auto& maps = stage_->program().maps;
    for (std::uint32_t i = 0; ready && i < maps.size(); ++i) {
      auto copy = copy_of(*maps[i]->map);
      if (!copy) return std::unexpected(copy.error());
      ready = device_->bind(i, std::move(*copy));
    }
    if (!ready) return std::unexpected(ready.error());
    repeat();
    return std::move(*this);
  }

  void make_frames() {
    for (const sim::CapturedPacket& packet : stage_->packets()) {
      packets_.emplace_back(packet.bytes.begin(), packet.bytes.end());
      packets_.back().resize(kPacketBytes);
    }
  }
  void repeat() {
    for (std::size_t i = 0; i < kPackets; ++i) frames_.push_back(*exec::Frame::make(packets_[i % packets_.size()]));
  }

  // By the interpreter, on the maps that the device gets copies of.
  Result<> keep_steady() {
    const auto& program = stage_->program();
    const exec::Backend& backend = *jit::find_backend("interp");
    auto image = backend.compile(program.verified, {});
    if (!image) return std::unexpected(image.error());
    auto device = backend.open({.environment = &syscall::process().runtime.environment, .ports = stage_->ports()});
    if (!device) return std::unexpected(device.error());
    Result<> ready = (*device)->load(*image);
    for (std::uint32_t i = 0; ready && i < program.maps.size(); ++i) ready = (*device)->bind(i, program.maps[i]->map);
    if (!ready) return ready;
    std::vector<std::vector<std::byte>> steady;
    for (const bool first : {true, false}) {
      for (const auto& packet : packets_) {
        const std::size_t before = entries();
        std::vector<exec::Frame> frame;
        frame.push_back(*exec::Frame::make(packet));
        if (auto ran = (*device)->run(frame); !ran) return std::unexpected(ran.error());
        const bool passes = frame.front().return_value != XDP_DROP && frame.front().return_value != XDP_ABORTED;
        if (!first && passes && entries() == before) steady.push_back(packet);
      }
    }
    if (steady.empty()) return fail(ErrorKind::input, EINVAL, "no packet leaves the maps as they are");
    packets_ = std::move(steady);
    return {};
  }
  [[nodiscard]] std::size_t entries() const {
    std::size_t count = 0;
    for (const auto& bound : stage_->program().maps) {
      exec::Map& map = *bound->map;
      std::vector<std::byte> key(map.spec().key_size), next(key.size());
      for (bool first = true; map.next_key(first ? nullptr : key.data(), next.data()) == 0; first = false) {
        key = next;
        ++count;
      }
    }
    return count;
  }

  std::unique_ptr<Stage> stage_;
  std::unique_ptr<exec::Environment> environment_;
  std::unique_ptr<exec::Device> device_;
  std::vector<std::vector<std::byte>> packets_;
  std::vector<exec::Frame> frames_;
};

// Empty if the device's answers in order are the interpreter's.
std::string wrong_answer(const ExampleProgram& program) {
  const golden::Subject subject = subject_of(program);
  cli::RunOptions reference, rtl;
  reference.placement.backend = "interp";
  rtl.placement.backend = "rtl";
  const auto expected = golden::run(subject, reference), actual = golden::run(subject, rtl);
  if (!expected) return expected.error().text();
  if (!actual) return actual.error().text();
  const auto differences = golden::differences(*expected, *actual, {});
  return differences.empty() ? std::string{} : differences.front();
}

void measure(benchmark::State& state, const ExampleProgram& program, Traffic traffic) {
  if (const std::string wrong = wrong_answer(program); !wrong.empty()) return state.SkipWithError(wrong.c_str());
  for (auto _ : state) {
    auto rig = Rig::open(program, traffic);
    const auto ran = rig ? rig->pass() : Result<>(std::unexpected(rig.error()));
    if (!ran) return state.SkipWithError(ran.error().text().c_str());
    for (const exec::Metric& metric : rig->metrics()) {
      if (std::ranges::find(kShown, metric.name) != std::end(kShown)) state.counters[metric.name] = metric.value;
    }
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  using forager::bench::ExampleProgram;
  using forager::bench::kWithFlows;
  using forager::bench::Traffic;
  for (const ExampleProgram& program : forager::bench::kExamplePrograms) {
    if (!program.is_in(forager::bench::Scenario::peers)) continue;
    for (const auto& [name, traffic] : {std::pair{"rtl", Traffic::all}, std::pair{"steady", Traffic::steady}}) {
      if (traffic == Traffic::steady &&
          std::ranges::find(kWithFlows, std::string_view(program.name)) == std::end(kWithFlows))
        continue;
      benchmark::RegisterBenchmark(fmt::format("rtl/{}/{}", program.name, name).c_str(), [&program, traffic](
                                                                                             benchmark::State& state) {
        forager::bench::measure(state, program, traffic);
      })->Iterations(1);
    }
  }
  return forager::bench::run_plain(argc, argv);
}

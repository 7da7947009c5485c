// SPDX-License-Identifier: Apache-2.0
//
// Scenario `operation`: what one operation of a program costs on each engine, `operation/<name>/<engine>`.
//
// A program does the operation 4 times, another one 36 times; the slope is one operation, without what a run costs
// anyway. Both programs' answers are held against the interpreter's first. Time is the engine's own measure of time
// inside programs (exec::RunReport::busy_ns), the least of several passes.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "bench/common/plain_names.h"
#include "helpers/registry.h"
#include "jit-backends/backends.h"
#include "maps/registry.h"
#include "program/text.h"

namespace forager::bench {
namespace {

using exec::Frame;
using isa::MapType;

struct Operation {
  const char* name;
  const char* text;           // changes r7; r8 is a number that nobody knows before, r9 points to another
  const char* function = "";  // a function of the program's, behind it
};

// Lookups of keys that do not depend on each other; all are there, and what was found is added up. `N` is the number of
// the repetition.
constexpr Operation kOperations[] = {
    {"array_lookup",
     "r1 = r8\nr1 += N\nr1 &= 63\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = map[array] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"array_lookup_constant",
     "*(u32 *)(r10 -4) = N\nr2 = r10\nr2 += -4\nr1 = map[array] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"percpu_array_lookup",
     "*(u32 *)(r10 -4) = N\nr2 = r10\nr2 += -4\nr1 = map[percpu] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"hash8_lookup",
     "r1 = r8\nr1 += N\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -8\nr1 = map[hash8] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"hash16_lookup",
     "r1 = r8\nr1 += N\n*(u64 *)(r10 -16) = r1\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -16\nr1 = map[hash16] ll\n"
     "call 1\nif r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"lru_hash_lookup",
     "r1 = r8\nr1 += N\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -8\nr1 = map[lru] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"hash8_update",
     "r1 = r8\nr1 += N\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\nr1 = map[hash8] ll\ncall 2\n"
     "r7 += 1"},
    {"helper_call", "call bpf_get_numa_node_id\nr7 += r0"},
    {"random_number", "call bpf_get_prandom_u32\nr0 &= 0\nr7 += r0"},
    {"checksum_of_20_bytes",
     "*(u64 *)(r10 -8) = r8\n*(u64 *)(r10 -16) = r8\n*(u32 *)(r10 -20) = N\nr1 = 0\nr2 = 0\nr3 = r10\nr3 += -20\nr4 = "
     "20\n"
     "r5 = 0\ncall bpf_csum_diff\nr7 += r0"},
    {"lpm_lookup",
     "r1 = r8\nr1 += N\n*(u32 *)(r10 -8) = 32\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -8\nr1 = map[lpm] ll\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"map_of_maps_lookup",
     "*(u32 *)(r10 -4) = N\nr2 = r10\nr2 += -4\nr1 = map[outer] ll\ncall 1\nif r0 == 0 goto +11\n"
     "r1 = r8\nr1 += N\nr1 &= 63\n*(u32 *)(r10 -4) = r1\nr1 = r0\nr2 = r10\nr2 += -4\ncall 1\n"
     "if r0 == 0 goto +2\nr1 = *(u64 *)(r0 +0)\nr7 += r1"},
    {"function_call", "r1 = r7\ncall f\nr7 = r0", "f:\nr0 = r1\nr0 += 3\nexit"},
    {"division_by_10", "r1 = *(u64 *)(r9 +0)\nr1 /= 10\nr7 += r1"},
    {"rotation", "r1 = *(u64 *)(r9 +0)\nr2 = r1\nr2 <<= 13\nr1 >>= 51\nr1 |= r2\nr7 += r1"},
};

constexpr int kFew = 4, kMany = 36;
constexpr std::size_t kFrames = 2000;
constexpr int kPasses = 9;

struct MapRow {
  const char* name;
  MapType type;
  std::uint32_t key_size;
  std::uint32_t entries = 64;
  std::uint32_t flags = 0;
};
constexpr MapRow kMaps[] = {
    {"array", MapType::array, 4},
    {"percpu", MapType::percpu_array, 4},
    {"hash8", MapType::hash, 8},
    {"hash16", MapType::hash, 16},
    {"lru", MapType::lru_hash, 8},
    {"word", MapType::array, 4, 1},
    {"lpm", MapType::lpm_trie, 8, 64, BPF_F_NO_PREALLOC},
    {"outer", MapType::array_of_maps, 4},
};

const exec::Environment& environment() {
  static const exec::Environment kEnvironment = [] {
    exec::Environment made;
    made.helpers = helpers::table();
    made.monotonic_ns = [] { return 7; };
    return made;
  }();
  return kEnvironment;
}

std::vector<std::shared_ptr<exec::Map>> make_maps() {
  std::vector<std::shared_ptr<exec::Map>> maps;
  for (const MapRow& row : kMaps) {
    const bool outer = row.type == MapType::array_of_maps;
    auto map = maps::create({.type = row.type,
                             .key_size = row.key_size,
                             .value_size = outer ? 4U : 8U,
                             .max_entries = row.entries,
                             .flags = row.flags,
                             .name = row.name,
                             .inner = outer ? std::make_shared<exec::MapSpec>(maps.front()->spec()) : nullptr},
                            1);
    if (!map) return {};
    for (std::uint32_t i = 0; outer && i < row.entries; ++i) {
      std::ignore = (*map)->abilities().maps->set(&i, {.id = 1, .map = maps.front()}, 0);
    }
    for (std::uint64_t i = 0; !outer && i < row.entries; ++i) {
      // A trie's key begins with the prefix's length; an address of 32 bits follows.
      const std::uint64_t first = row.type == MapType::lpm_trie ? i << 32 | 32 : i;
      const std::array<std::uint64_t, 2> key = {first, i};
      const std::uint64_t value = 0x123456789abcdef0ULL + i;
      std::ignore = (*map)->write(key.data(), &value, 0);
    }
    maps.push_back(std::move(*map));
  }
  return maps;
}

std::string text_of(const Operation& operation, int times) {
  std::string text = "r8 = *(u32 *)(r1 +16)\nr8 &= 1\nr7 = r8\nr9 = map[word][0]+0 ll\n";
  for (int i = 0; i < times; ++i) {
    std::string once = operation.text;
    for (auto at = once.find('N'); at != std::string::npos; at = once.find('N')) once.replace(at, 1, std::to_string(i));
    text += once + "\n";
  }
  return text + "r0 = r7\nexit\n" + operation.function;
}

// A program on an engine, and frames for it.
class Rig {
 public:
  static Result<Rig> make(const exec::Backend& backend, const Operation& operation, int times) {
    Rig rig;
    program::Source source{.name = operation.name, .type = isa::ProgType::xdp, .gpl_compatible = true};
    const std::string text = text_of(operation, times);
    std::vector<std::string> names;
    for (auto& map : make_maps()) {
      if (!text.contains(fmt::format("map[{}]", map->spec().name))) continue;
      source.maps.push_back(map->spec());
      names.push_back(map->spec().name);
      rig.maps_.push_back(std::move(map));
    }
    auto slots = program::assemble(text, names);
    if (!slots) return std::unexpected(slots.error());
    source.slots = std::move(*slots);
    auto program = program::Program::decode(std::move(source));
    if (!program) return std::unexpected(program.error());
    auto verified = verifier::verify(std::move(*program));
    if (!verified) return std::unexpected(verified.error());
    return rig.load(backend, *verified);
  }

  // Nanoseconds of a run; negative if the device failed.
  double pass() {
    const auto report = device_->run(frames_);
    return report ? static_cast<double>(report->busy_ns) / static_cast<double>(kFrames) : -1;
  }
  [[nodiscard]] std::uint64_t answer() const { return frames_.front().return_value; }

 private:
  Result<Rig> load(const exec::Backend& backend, std::shared_ptr<const verifier::VerifiedProgram> verified) {
    auto image = backend.compile(std::move(verified), {});
    if (!image) return std::unexpected(image.error());
    auto device = backend.open({.environment = &environment()});
    if (!device) return std::unexpected(device.error());
    device_ = std::move(*device);
    if (auto loaded = device_->load(*image); !loaded) return std::unexpected(loaded.error());
    for (std::uint32_t i = 0; i < maps_.size(); ++i) {
      if (auto bound = device_->bind(i, maps_[i]); !bound) return std::unexpected(bound.error());
    }
    const std::array<std::byte, 64> packet{};
    for (std::size_t i = 0; i < kFrames; ++i) frames_.push_back(*Frame::make(packet));
    return std::move(*this);
  }

  std::vector<std::shared_ptr<exec::Map>> maps_;
  std::unique_ptr<exec::Device> device_;
  std::vector<Frame> frames_;
};

// Least time of a run that does the operation so often. `error` says what was wrong.
double least_ns(const exec::Backend& backend, const Operation& operation, int times, std::string& error) {
  auto expected = Rig::make(*jit::find_backend("interp"), operation, times);
  auto rig = Rig::make(backend, operation, times);
  if (!expected || !rig) {
    error = (!rig ? rig : expected).error().text();
    return -1;
  }
  double least = std::numeric_limits<double>::max();
  std::ignore = expected->pass();
  for (int i = 0; i < kPasses; ++i) least = std::min(least, rig->pass());
  if (least < 0) error = "the device failed";
  if (rig->answer() != expected->answer()) error = "the answer differs from the interpreter's";
  return least;
}

void operation(benchmark::State& state, const Operation& operation, const exec::Backend& backend) {
  std::string error;
  double slope = 0;
  for (auto _ : state) {
    const double few = least_ns(backend, operation, kFew, error), many = least_ns(backend, operation, kMany, error);
    if (!error.empty()) return state.SkipWithError(error.c_str());
    slope = (many - few) / (kMany - kFew);
    state.SetIterationTime(many * 1e-9);
  }
  state.counters["ns_per_operation"] = slope;
}

void register_all() {
  for (const Operation& row : kOperations) {
    for (const jit::BackendRow& engine : jit::backends()) {
      const exec::Backend& backend = engine.get();
      if (!backend.capabilities().available) continue;
      benchmark::RegisterBenchmark(fmt::format("operation/{}/{}", row.name, engine.name).c_str(),
                                   [&](benchmark::State& state) { operation(state, row, backend); })
          ->UseManualTime()
          ->Iterations(1);
    }
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::bench::register_all();
  return forager::bench::run_plain(argc, argv);
}

// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/opencl/duel.h"
#include "bench/opencl/host_rates.h"
#include "bench/opencl/profile.h"

namespace forager::bench {
namespace {

constexpr std::size_t kBatch = 4096;
constexpr std::chrono::milliseconds kTime{150};
constexpr double kSector = 32, kRecord = 32;  // bytes; a packet's record travels with it, both ways

// ---- the model's device ------------------------------------------------------------------------------------------

struct Parameter {
  const char* name;
  double value;
  const char* what;
};

// A card of the middle of its time. None of it was measured.
class Model {
 public:
  enum Name : std::uint8_t { pcie, memory, atomics, operations, per_instruction, lockstep, launch, batch };

  [[nodiscard]] double operator[](Name name) const { return parameters_[name].value; }
  [[nodiscard]] const auto& all() const { return parameters_; }
  // False if it is no NAME=VALUE.
  bool set(std::string_view argument) {
    for (Parameter& one : parameters_) {
      if (!argument.starts_with(std::string(one.name) + '=')) continue;
      char* end = nullptr;
      one.value = std::strtod(argument.data() + std::strlen(one.name) + 1, &end);
      return *end == '\0' && one.value > 0;
    }
    return false;
  }

 private:
  std::array<Parameter, 8> parameters_ = {{
      {"pcie", 25e9, "bytes/s over PCIe, each way (4.0 x16)"},
      {"memory", 400e9, "bytes/s of device memory"},
      {"atomics", 1e9, "atomics/s on one word"},
      {"operations", 10e12, "32-bit operations/s, all lanes"},
      {"per_instruction", 4, "32-bit operations of one 64-bit instruction"},
      {"lockstep", 32, "lanes in lockstep: 32 or 64"},
      {"launch", 10e-6, "s of a launch"},
      {"batch", 16384, "packets of a launch"},
  }};
};

// ---- one program -------------------------------------------------------------------------------------------------

struct Entry {
  std::string program;
  std::size_t bytes = 0;
  Demand demand;
  DuelFigure measured;
};

// Nanoseconds a packet that one thing takes by itself; the largest bounds.
using Bounds = std::map<std::string, double>;

std::string largest(const Bounds& bounds) {
  return std::ranges::max_element(bounds, {}, &Bounds::value_type::second)->first;
}

double memory_bytes(const Demand& demand) { return kSector * (demand.packet_sectors + demand.map_sectors); }

// Of the device that is here: what it tells, and what its memory and its atomics take at the machine's rates. What is
// left of the launch is the program's instructions.
Bounds bounds_here(const Entry& entry, const HostRates& rates, double empty_launch) {
  const double memory = memory_bytes(entry.demand) / rates.memory_bytes * 1e9;
  const double atomics = entry.demand.atomics * rates.atomic_ns;
  const double fixed = std::min(empty_launch, entry.measured.launch);
  return {{"staging", entry.measured.staging},
          {"launching", fixed},
          {"memory", memory},
          {"atomics", atomics},
          {"instructions", std::max(0.0, entry.measured.launch - fixed - memory - atomics)}};
}

// Only what is touched travels to the device, and what was written back.
Bounds bounds_there(const Entry& entry, const Model& model) {
  const Demand& demand = entry.demand;
  const Efficiency& efficiency = model[Model::lockstep] > 32 ? demand.of64 : demand.of32;
  const double in = kRecord + static_cast<double>(std::min(demand.reach_read, entry.bytes));
  const double out = kRecord + static_cast<double>(demand.reach_written);
  const double operations = demand.instructions * model[Model::per_instruction] / efficiency.by_path;
  return {{"PCIe", std::max(in, out) / model[Model::pcie] * 1e9},
          {"memory", (in + out + memory_bytes(demand)) / model[Model::memory] * 1e9},
          {"atomics", demand.atomics / model[Model::atomics] * 1e9},
          {"instructions", operations / model[Model::operations] * 1e9},
          {"launching", model[Model::launch] / model[Model::batch] * 1e9}};
}

// ---- tables ------------------------------------------------------------------------------------------------------

void print_demands(const std::vector<Entry>& entries) {
  fmt::print(
      "What a packet asks for, counted in the interpreter (bench/opencl/profile.h):\n\n"
      "| program | bytes | instructions | packet read | written | sectors | map read | written | sectors | "
      "atomics | lookups | updates | by length, 32 | 64 | by path, 32 | 64 |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Entry& entry : entries) {
    const Demand& d = entry.demand;
    fmt::print(
        "| {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.1f} | {:.0f} | {:.0f} | {:.1f} | {:.2f} | {:.2f} | {:.2f} | "
        "{:.2f} | {:.2f} | {:.2f} | {:.2f} |\n",
        entry.program, entry.bytes, d.instructions, d.packet_read, d.packet_written, d.packet_sectors, d.map_read,
        d.map_written, d.map_sectors, d.atomics, d.lookups, d.updates, d.of32.by_length, d.of64.by_length,
        d.of32.by_path, d.of64.by_path);
  }
}

void print_here(const std::vector<Entry>& entries) {
  const HostRates rates = measure_host();
  fmt::print(
      "\nOn the device that is here, batches of {}, ns a packet (measured: staging, launch; memory of {:.1f} GB/s, "
      "an atomic {:.1f} ns on a word that two threads add to):\n\n"
      "| program | bytes | staging | launch | of it: launching | memory | atomics | instructions | bound by |\n"
      "|---|---|---|---|---|---|---|---|---|\n",
      kBatch, rates.memory_bytes / 1e9, rates.atomic_ns);
  std::map<std::size_t, double> empty;
  for (const Entry& entry : entries) {
    if (entry.program == kEmpty.name) empty[entry.bytes] = entry.measured.launch;
  }
  for (const Entry& entry : entries) {
    const Bounds bounds = bounds_here(entry, rates, empty[entry.bytes]);
    fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.2f} | {:.2f} | {:.1f} | {} |\n", entry.program, entry.bytes,
               entry.measured.staging, entry.measured.launch, bounds.at("launching"), bounds.at("memory"),
               bounds.at("atomics"), bounds.at("instructions"), largest(bounds));
  }
}

void print_there(const std::vector<Entry>& entries, const Model& model) {
  fmt::print("\nA model, no measurement: a discrete GPU with");
  for (const Parameter& one : model.all()) fmt::print("\n  {}={:g}  {}", one.name, one.value, one.what);
  fmt::print(
      "\nns a packet:\n\n"
      "| program | bytes | PCIe | memory | atomics | instructions | launching | bound by | million packets/s |\n"
      "|---|---|---|---|---|---|---|---|---|\n");
  for (const Entry& entry : entries) {
    const Bounds bounds = bounds_there(entry, model);
    const std::string bound = largest(bounds);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.3f} | {:.2f} | {} | {:.0f} |\n", entry.program, entry.bytes,
               bounds.at("PCIe"), bounds.at("memory"), bounds.at("atomics"), bounds.at("instructions"),
               bounds.at("launching"), bound, 1e3 / bounds.at(bound));
  }
}

// Nothing, where no packet of this size is left.
Result<std::optional<Entry>> entry_of(const Pair& pair, std::size_t bytes) {
  auto traffic = traffic_of(pair.program(), bytes);
  if (!traffic) return std::unexpected(std::move(traffic.error()));
  if (traffic->packets.empty()) return std::nullopt;
  auto demand = demand_of(pair.program(), traffic->packets);
  if (!demand) return std::unexpected(std::move(demand.error()));
  auto duel = Duel::open(pair.program(), bytes);
  if (!duel) return std::unexpected(std::move(duel.error()));
  auto measured = (*duel)->measure(kBatch, kTime);
  if (!measured) return std::unexpected(std::move(measured.error()));
  return Entry{.program = pair.name, .bytes = bytes, .demand = *demand, .measured = *measured};
}

}  // namespace

int print_roofline(const std::deque<Pair>& programs, int argc, char** argv) {
  Model model;
  for (int i = 0; i < argc; ++i) {
    if (model.set(argv[i])) continue;
    fmt::print(stderr, "'{}' is no parameter of the model\n", argv[i]);
    return 2;
  }
  std::vector<Entry> entries;
  for (const Pair& pair : programs) {
    for (const std::size_t bytes : kPacketSizes) {
      auto entry = entry_of(pair, bytes);
      if (!entry) {
        fmt::print(stderr, "{}: {}\n", pair.name, entry.error().text());
        return 1;
      }
      if (*entry) entries.push_back(std::move(**entry));
    }
  }
  print_demands(entries);
  print_here(entries);
  print_there(entries, model);
  return 0;
}

}  // namespace forager::bench

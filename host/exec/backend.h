// SPDX-License-Identifier: Apache-2.0
//
// Backend and Device: the two contracts every engine implements.
//
// A Backend is a compiler: it turns a VerifiedProgram into an Image, purely, on any host. A Device runs images. What a
// backend cannot do stands in its Capabilities as data, so that `forager explain` can judge all backends at once,
// before anything is loaded.
//
// Life of a device: open() -> load(image) -> bind(every map of the program) -> run(batch)* . load() may be called
// again to replace the program; maps are bound anew then. A Device belongs to one thread at a time; several devices may
// share maps.
//
// Tested by: tests/unit/exec_*_test.cc, and every engine through tests/golden.
#pragma once

#include <bitset>
#include <cerrno>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exec/environment.h"
#include "exec/frame.h"
#include "exec/map.h"
#include "forager/result.h"
#include "verifier/verify.h"

namespace forager::exec {

struct Capabilities {
  bool available = true;      // on this machine, now
  std::string reason;         // why it is not available
  std::bitset<256> ops;       // by isa::Op
  std::bitset<512> helpers;   // by helper id, run natively
  std::bitset<64> map_types;  // by isa::MapType
  std::vector<isa::ProgType> program_types;
  bool iterators = false;  // programs of type tracing that visit objects (isa/iterators.h)
  bool checked = false;    // CompileOptions::checked and assert_facts
  std::uint32_t max_slots = isa::kMaxInstructions;
  std::uint32_t max_packet_bytes = kMaxPacketBytes;
  std::uint32_t min_packet_bytes = 0;
};

struct CompileOptions {
  bool checked = false;            // interp: track initialisation of every byte and register
  bool assert_facts = false;       // interp: hold every instruction against the verifier's facts too; implies checked
  std::uint32_t passes_off = 0;    // JITs: passes that do not run (jit-backends/common/passes), to measure them
  std::uint32_t features_off = 0;  // JITs: CPU features that are not used (jit-backends/common/features.h)
  bool blind_constants = false;    // JITs: no constant of the program's stands in the code as it is
  friend auto operator<=>(const CompileOptions&, const CompileOptions&) = default;
};

// Something one backend made and only it can run.
class Image {
 public:
  virtual ~Image() = default;
  [[nodiscard]] virtual std::string_view backend() const = 0;
  [[nodiscard]] virtual std::size_t bytes() const = 0;    // code size
  [[nodiscard]] virtual std::string listing() const = 0;  // for people: `prog dump`
  [[nodiscard]] virtual const verifier::VerifiedProgram& program() const = 0;
};

struct DeviceInfo {
  std::string backend;
  std::string name;  // "interpreter", "Linux 6.18 on 2 CPUs", ...
};

// What one run() did. busy_ns is the engine's own measure of time inside programs (the kernel's test_run duration;
// elapsed time where the engine runs on the calling thread, as of Linux's run statistics), without staging.
struct RunReport {
  std::uint64_t packets = 0;
  std::uint64_t traps = 0;
  std::uint64_t busy_ns = 0;
};

// One number that a kind of device has to tell beyond what all have: "latency_p99", 96, "cycles".
struct Metric {
  std::string name;
  double value = 0;
  std::string unit;
};

struct Counters {
  std::uint64_t packets = 0;
  std::uint64_t traps = 0;
  std::uint64_t instructions = 0;  // retired, 0 if the engine does not count
  std::vector<Metric> metrics;
};

// A function of the loaded program that runs by itself, as a timer's does: by the index of its first instruction, with
// the map, the key and the value that it gets.
struct AsyncCall {
  std::uint32_t function = 0;
  std::shared_ptr<Map> map;
  const void* key = nullptr;
  void* value = nullptr;
};

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual DeviceInfo info() const = 0;
  [[nodiscard]] virtual Result<> load(std::shared_ptr<const Image> image) = 0;
  // Map number `index` of the loaded program. Devices with memory of their own keep it coherent with `map`.
  [[nodiscard]] virtual Result<> bind(std::uint32_t index, std::shared_ptr<Map> map) = 0;
  // Runs every frame, in order as far as results can tell. A program that is stopped traps its frame only; an error
  // means that the device itself failed.
  [[nodiscard]] virtual Result<RunReport> run(PacketBatch batch) = 0;
  // Runs one asynchronous callback. Errors: unsupported where the device has no such thing, which the default has not;
  // what stopped the program.
  [[nodiscard]] virtual Result<> call_back(const AsyncCall& call);
  [[nodiscard]] virtual Counters counters() const = 0;
};

inline Result<> Device::call_back(const AsyncCall&) {
  return fail(ErrorKind::unsupported, EOPNOTSUPP, "the device runs no asynchronous callbacks");
}

// Which device is simulated, how it is watched, and how the line to it behaves.
struct Simulation {
  std::string configuration;    // a name of hw/configs.yaml; empty: default
  unsigned threads = 0;         // hardware threads in use; 0: all
  bool lockstep = false;        // each instruction is compared with the interpreter's
  bool plain = false;           // the program as it is, without the compiler's passes
  std::string wave;             // FST file of all signals; empty: none
  std::string wave_on;          // verdict:NAME, packet:N or pc:N: only around what is named; empty: from the beginning
  unsigned wave_before = 2000;  // clock cycles before it
  unsigned wave_after = 500;    // ... and after it
  unsigned gap = 0;             // chance of an idle cycle before each beat, in 256
  unsigned back_pressure = 0;   // chance that the far end takes nothing in a cycle, in 256
};

// Which packets have their effects on maps in their order. Where not all do, packets that run at the same time may meet
// in maps, as they do on a NIC; each thread is a CPU of per-CPU maps then.
enum class Order : std::uint8_t {
  packet,  // all
  flow,    // those of one flow; devices that cannot tell flows keep the order of all
  none,
};

// Which of several devices runs the program, and how packets travel there and back.
struct Offload {
  std::string device;       // its number in `forager device list`, or a part of its name; empty: the first usable
  bool copies = false;      // packets and maps are copied even where the device shares the host's memory
  std::uint32_t batch = 0;  // packets of one launch at the most; 0: the device's own choice
  std::uint32_t max_latency_us = 0;  // launches are so large that one ends within this time; 0: no such goal
};

struct DeviceOptions {
  const Environment* environment = nullptr;  // outlives the device
  Order order = Order::packet;
  Offload offload;
  Simulation simulation;
  unsigned cpu = 0;        // lane of per-CPU maps; devices that run at the same time differ in it
  std::uint64_t seed = 1;  // of bpf_get_prandom_u32
  std::uint64_t instruction_budget = 1ULL << 28;  // per invocation; a program that exceeds it traps
  std::vector<std::uint32_t> ports;               // ifindexes that redirects and DEVMAPs name
};

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual const Capabilities& capabilities() const = 0;
  [[nodiscard]] virtual Result<std::shared_ptr<const Image>> compile(
      std::shared_ptr<const verifier::VerifiedProgram> program, const CompileOptions& options) const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Device>> open(const DeviceOptions& options) const = 0;
};

}  // namespace forager::exec

// SPDX-License-Identifier: Apache-2.0
//
// Board: the Verilated device (hw/rtl/forager_device.sv) with a clock, and what would be wired to it: a host on the
// register and memory ports, a line on the packet ports. Whoever uses it reaches nothing but those ports. Every access
// takes clock cycles, in which the device goes on. What a host sees of it is virtual: tests have boards that lie.
//
// Tested by: tests/rtl/causes_test.cc, tests/unit/rtl_device_test.cc, rtl_liar_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"
#include "sim/board/host_port.h"

namespace forager::sim {

// A frame for the device's port.
struct Arrival {
  std::vector<std::byte> bytes;
  std::uint32_t port = 0;  // ifindex
  std::uint32_t queue = 0;
  bool announced = true;  // its length goes ahead of it
};

// Where a packet is redirected to, as the device knows it.
struct Redirection {
  // Not at all; to port `value`; to where entry `value` of map `map` leads; to where the host said
  // when it was asked.
  enum Kind : std::uint8_t { none, port, entry, host };
  Kind kind = none;
  std::uint8_t map = 0;
  std::uint32_t value = 0;
};

// What came out, in order. Offsets are in the packet's buffer, cycles since reset.
struct Departure {
  std::uint32_t tag = 0;
  std::uint64_t value = 0;  // r0
  std::uint8_t cause = 0;   // forager_core_pkg Cause
  std::uint16_t pc = 0;     // the bundle, if it was stopped
  std::uint16_t meta = 0, data = 0, end = 0;
  std::uint32_t came = 0, ended = 0;
  Redirection redirect;
  std::vector<std::byte> bytes;
};

// How the line behaves. Seeded, so that a run can be repeated.
struct Line {
  unsigned gap = 0;            // chance of an idle cycle before a beat, in 256
  unsigned back_pressure = 0;  // chance that the far end takes nothing in a cycle, in 256
  std::uint64_t seed = 1;
};

// A bundle that went through, as the trace ports show it.
struct Retired {
  std::uint8_t thread = 0;
  std::uint16_t pc = 0;
  std::array<bool, 2> writes{};
  std::array<std::uint8_t, 2> registers{};
  std::array<std::uint64_t, 2> values{};
};

// Names of the devices that can be simulated (hw/configs.yaml).
[[nodiscard]] const std::vector<std::string>& configurations();

// Sees what the trace ports show, in each cycle.
class Observer {
 public:
  virtual ~Observer() = default;
  // A thread begins with the packet that waits longest.
  virtual void started(std::uint8_t thread, std::uint64_t cycle) = 0;
  virtual void retired(const Retired& bundle, std::uint64_t cycle) = 0;
};

class Board : public HostPort {
 public:
  // One of configurations(), empty: default.
  explicit Board(std::string_view configuration = {}, const Line& line = {});
  ~Board() override;
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  // A clock cycle.
  void step();
  [[nodiscard]] std::uint64_t cycle() const;
  [[nodiscard]] virtual bool interrupt() const;

  // The host's accesses fail if the device does not answer in so many cycles.
  static constexpr unsigned kPatience = 10000;
  [[nodiscard]] Result<std::uint32_t> read(std::uint32_t offset) override;
  [[nodiscard]] Result<> write(std::uint32_t offset, std::uint32_t value) override;
  [[nodiscard]] Result<> write_bundles(std::uint32_t first, std::span<const BundleWords> bundles) override;
  [[nodiscard]] Result<> write_rows(std::uint32_t first, std::span<const std::byte> rows) override;
  [[nodiscard]] Result<> read_rows(std::uint32_t first, std::span<std::byte> rows) override;

  void send(Arrival arrival);
  [[nodiscard]] std::size_t unsent() const;  // frames that the device has not taken whole
  [[nodiscard]] virtual std::optional<Departure> receive();

  // It outlives the board's steps.
  void observe(Observer& observer);

  // What the last step() retired.
  [[nodiscard]] std::optional<Retired> retired() const;

  // Waveform from now on, of everything or of what is around an event (wave.h), or no more. Errors: input if the file
  // cannot be written.
  [[nodiscard]] Result<> trace_to(const std::string& path, std::uint64_t before = 0);
  void end_trace();
  // The event: so many more cycles.
  void keep_trace(std::uint64_t after);
  // It is the event that one of these bundles goes through; so many more cycles then.
  void keep_trace_at(std::vector<bool> bundles, std::uint64_t after);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace forager::sim

// SPDX-License-Identifier: Apache-2.0
//
// forager's C++ library: load a BPF object, choose a backend, run packets, read maps.
//
//   auto object = forager::Object::load("firewall.bpf.o");
//   auto program = object->program("xdp_firewall");
//   auto device = forager::Device::open(*program, {.backend = "interp"});
//   std::vector<forager::Packet> packets = {{.bytes = frame}};
//   auto report = device->run(packets);              // packets[0].verdict, packets[0].bytes
//   auto value = object->map("stats")->lookup(key);
//
// Objects are the same that bpf(2) in user space (and so libbpf, in a program linked for it) works on: one runtime a
// process. Handles are cheap, copyable and keep what they name alive. Object, Program and Map may be used from any
// thread; a Device belongs to one thread at a time. Nothing prints or reads the environment. Every failure is a
// Diagnostic: nothing throws, but for std::bad_alloc where the return type has no place for an error.
//
// Tested by: tests/unit/api_*_test.cc, tests/e2e/api_example.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"

namespace forager {

using Bytes = std::vector<std::byte>;

// ---- maps ----------------------------------------------------------------------------------------------------

// A map of a loaded object. Keys are key_size bytes, values host_value_size: value_size, or for per-CPU maps one slot
// for each possible CPU, rounded up to 8 bytes, as in Linux. Errors: input (a size is wrong), system with Linux's
// errno.
class Map {
 public:
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::string_view type() const;  // "hash", bpftool's spelling
  [[nodiscard]] std::uint32_t id() const;
  [[nodiscard]] std::uint32_t key_size() const;
  [[nodiscard]] std::uint32_t value_size() const;     // of one slot
  [[nodiscard]] std::size_t host_value_size() const;  // of lookup and update: all slots
  [[nodiscard]] std::uint32_t max_entries() const;

  [[nodiscard]] Result<Bytes> lookup(std::span<const std::byte> key) const;  // ENOENT if there is none
  [[nodiscard]] Result<> update(std::span<const std::byte> key, std::span<const std::byte> value,
                                std::uint64_t flags = 0) const;  // BPF_ANY, BPF_NOEXIST, BPF_EXIST
  [[nodiscard]] Result<> erase(std::span<const std::byte> key) const;
  // All keys; keys that stay in the map throughout are never missed. While others erase, one may come twice.
  [[nodiscard]] Result<std::vector<Bytes>> keys() const;

 private:
  friend class Object;
  struct State;
  explicit Map(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// ---- programs ------------------------------------------------------------------------------------------------

// A verified program.
class Program {
 public:
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::string_view type() const;  // "xdp"
  [[nodiscard]] std::uint32_t id() const;
  // As the verifier saw it, with C lines where BTF has them.
  [[nodiscard]] std::string disassembly() const;

 private:
  friend class Object;
  friend class Device;
  struct State;
  explicit Program(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// A BPF ELF whose maps are created and whose programs are verified.
class Object {
 public:
  // Errors: input (no BPF object: says what it is), rejected, unsupported, limit: with instruction and C line.
  [[nodiscard]] static Result<Object> load(const std::string& path);

  [[nodiscard]] std::vector<Program> programs() const;
  [[nodiscard]] std::vector<Map> maps() const;
  // With an empty name the only program, or the only one in a section of plain type name ("xdp", not "xdp/parse").
  // Errors: input, listing the names there are.
  [[nodiscard]] Result<Program> program(std::string_view name = {}) const;
  [[nodiscard]] Result<Map> map(std::string_view name) const;

 private:
  struct State;
  explicit Object(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// ---- backends and devices ------------------------------------------------------------------------------------

struct Backend {
  std::string_view name;     // "interp"
  std::string_view summary;  // one line for people
  bool available = false;    // on this machine, now
  std::string reason;        // why not
};
[[nodiscard]] std::vector<Backend> backends();

struct Packet {
  Bytes bytes;  // in: the packet; out: as the program left it
  std::uint32_t ingress_ifindex = 1;
  std::uint32_t rx_queue = 0;

  // out: XDP action. Of a packet that was redirected to a map's entry with a program: what became of it there,
  // XDP_REDIRECT if it went on.
  std::uint32_t verdict = 0;
  std::uint32_t redirect_ifindex = 0;  // out: 0 = none, or the backend cannot tell (linux)
  std::optional<Diagnostic> stopped;   // out: why the program was stopped; the verdict is then XDP_ABORTED
};

struct DeviceOptions {
  std::string backend;                // empty: the first that takes the program
  std::vector<std::string> fallback;  // tried in order where `backend` refuses; never anything else
  bool checked = false;               // interp: stop at the first uninitialised read too
  std::uint64_t seed = 1;             // of bpf_get_prandom_u32
  std::vector<std::uint32_t> ports;   // interface indices that exist besides those in DEVMAPs
};

struct RunReport {
  std::uint64_t packets = 0;
  std::uint64_t stopped = 0;
  std::uint64_t busy_ns = 0;  // inside programs, by the engine's own measure
};

// A program placed on a backend, its maps bound: the same maps that Object::map() names.
class Device {
 public:
  // Errors: input (no such backend), unsupported (it cannot take the program: names the blocker), system.
  [[nodiscard]] static Result<Device> open(const Program& program, const DeviceOptions& options = {});
  Device(Device&&) noexcept;
  Device& operator=(Device&&) noexcept;
  ~Device();

  [[nodiscard]] std::string_view backend() const;
  // Runs the packets in order. Errors: limit (a packet is too long), system (the device failed).
  [[nodiscard]] Result<RunReport> run(std::span<Packet> packets);

 private:
  struct State;
  explicit Device(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// ---- profilers and debuggers -----------------------------------------------------------------------------------

// What is told of the machine code that backends make. Nothing is, unless it is asked for: docs/jit.md has the
// commands.
struct CodeRecords {
  bool perf_map = false;           // perf-PID.map: `perf report` names functions
  bool jitdump = false;            // jit-PID.dump: code, C lines and times, for `perf inject --jit`
  bool debugger = false;           // names and C lines by GDB's JIT interface
  std::string directory = "/tmp";  // of both files; perf looks for its map in /tmp only
};

// From now on, until the process exits; code that stands already is recorded too. Errors: input, if nothing is asked
// for; system: a file cannot be written, or EBUSY for what is recorded already; what could be done is done. Trouble
// that comes later ends the record it is in and goes to `on_trouble`, on the thread that has code made: it must not
// call forager.
[[nodiscard]] Result<> record_code(const CodeRecords& records,
                                   const std::function<void(const Diagnostic&)>& on_trouble = {});

// ---- pins ----------------------------------------------------------------------------------------------------

// Pins (BPF_OBJ_PIN) that outlive the process: maps and programs that are pinned in a directory's files are pinned
// again, and what is pinned from now on is written there: at once, by save_pins(), and when the process ends by exit().
// To be called before anything is pinned. Files are checked, and their programs verified again; what could not be used
// is left out and left where it is, and is the value: a line each that names file and reason. What is kept and what is
// not: docs/adr/0009-pins.md. Errors: system: EBUSY while another process has the directory, or if there are pins.
[[nodiscard]] Result<std::vector<Diagnostic>> keep_pins(const std::string& directory);
// Writes everything that is pinned as it is now. Errors: system. Without keep_pins() there is nothing to do.
[[nodiscard]] Result<> save_pins();

}  // namespace forager

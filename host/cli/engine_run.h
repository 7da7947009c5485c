// SPDX-License-Identifier: Apache-2.0
//
// Running a capture, or a file of events, through one program on one backend: what `forager run`, the golden tests and
// the packet benches share. No terminal, no files but those asked for.
//
// Tested by: tests/golden.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/elf_object.h"
#include "cli/run_result.h"
#include "cli/setup.h"
#include "exec/frame.h"
#include "forager/result.h"
#include "runtime/onward.h"
#include "runtime/session.h"
#include "sim/ports/pcap_reader.h"

namespace forager::cli {

enum class Input : std::uint8_t { packets, events };

struct RunOptions {
  std::string program;  // empty: the only one
  Input input = Input::packets;
  runtime::PlacementRequest placement;
  bool checked = false;
  bool assert_facts = false;
  std::uint64_t repeat = 1;
  std::uint32_t ifindex = 1;  // ingress; the kernel's test run stands on loopback, which is 1
  std::uint32_t queue = 0;
  std::uint64_t seed = 1;
  exec::Order order = exec::Order::packet;
  exec::Offload offload;
  exec::Simulation simulation;
  // Bytes of a packet in its linear part; nothing: of XDP programs with fragments what a buffer holds, of others all.
  std::optional<std::uint32_t> linear;
};

// Sees every frame after it ran, in the first of the passes; may be null.
using FrameSink = std::function<void(const exec::Frame& frame)>;
// Called after each batch with the number of frames; true stops the run. May be null.
using StopCheck = std::function<bool(std::uint64_t frames)>;

using Packets = std::vector<sim::CapturedPacket>;

// A program of a loaded object, placed on a backend with its setup applied.
class EngineRun {
 public:
  // Errors: of loading (input, rejected, ...), of the setup's entries, of placement.
  [[nodiscard]] static Result<EngineRun> open(const std::string& object_path, const Setup& setup,
                                              const RunOptions& options);

  EngineRun(EngineRun&&) noexcept;
  EngineRun& operator=(EngineRun&&) noexcept;
  ~EngineRun();

  // Errors: of the device.
  [[nodiscard]] Result<> run(const Packets& packets, const FrameSink& sink, const StopCheck& stop);
  // One pass over frames that somebody else made (cli/event_file.h). Errors: of the device.
  [[nodiscard]] Result<> run_frames(std::span<exec::Frame> frames, const FrameSink& sink, const StopCheck& stop);
  // Verdicts, maps, events, printk lines of all run() calls so far.
  [[nodiscard]] Result<RunResult> result();

  // Inside programs, all run() calls so far.
  [[nodiscard]] std::uint64_t busy_ns() const { return result_.busy_ns; }
  [[nodiscard]] isa::ProgType type() const { return type_; }
  [[nodiscard]] runtime::Session& session() { return *session_; }
  [[nodiscard]] const api::ElfObject& object() const { return *object_; }

 private:
  EngineRun() = default;
  [[nodiscard]] Result<> apply(const Setup& setup);
  [[nodiscard]] Result<std::string> value_of(const MapEntry& entry, const struct MapHandle& map) const;
  [[nodiscard]] std::size_t frames_at_once() const;
  [[nodiscard]] Result<> run_programs(std::span<exec::Frame> frames);
  [[nodiscard]] Result<> run_batch(std::span<exec::Frame> frames, const FrameSink* sink);
  // Packets `first` to `end` of the capture over and over: small captures make large batches too.
  [[nodiscard]] Result<> stream(const Packets& packets, std::uint64_t first, std::uint64_t end, const FrameSink* sink,
                                const StopCheck& stop);
  [[nodiscard]] Result<std::vector<exec::Frame>> make_batch(const Packets& packets, std::uint64_t first,
                                                            std::size_t count) const;
  [[nodiscard]] Result<exec::Frame> make_xdp(const sim::CapturedPacket& packet) const;
  [[nodiscard]] Result<exec::Frame> make_skb(const sim::CapturedPacket& packet) const;
  void count_way(const exec::Frame& frame);
  void count_trap(const exec::Frame& frame);
  void ask_to_stop(const StopCheck& stop, std::uint64_t frames);

  RunOptions options_;
  isa::ProgType type_ = isa::ProgType::xdp;
  std::unique_ptr<api::ElfObject> object_;
  std::unique_ptr<runtime::Session> session_;
  std::unique_ptr<runtime::Onward> onward_;
  std::unique_ptr<class EventReaders> events_;
  std::shared_ptr<struct TraceLog> trace_;
  RunResult result_;
};

}  // namespace forager::cli

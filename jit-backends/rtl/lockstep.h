// SPDX-License-Identifier: Apache-2.0
//
// Lockstep: each packet once more in the interpreter, whose registers are held against what the device's bundles wrote.
//
// The trace ports tell what each bundle writes, and the compiler which slots give a BPF instruction's own destination
// its value (Origin::result). When a packet has left, the interpreter goes through the program on a copy of the packet
// as it came, and takes what the device wrote in the same order: of a stretch of bundles without a taken branch in any
// order, for the compiler moves operations there, stretch by stretch. At the end verdict and packet are compared, and
// nothing may be left over.
//
// What the interpreter cannot know by itself it takes from the device: results of helpers (but those in kOwn), memory
// that is not the stack or the packet, and what helpers on the host leave in stack and packet. A value that the device
// has no slot for (the compiler fused it away) is unknown, as is what is made of it, until an instruction with a slot
// comes. A packet whose way depends on an unknown value is compared so far.
//
// Tested by: tests/unit/rtl_lockstep_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/backend.h"
#include "interp/proxy.h"
#include "jit-backends/rtl/attendant.h"
#include "jit-backends/rtl/loader.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

class Lockstep final : public sim::Observer, public CallWatcher {
 public:
  Lockstep(const exec::DeviceOptions& options, const Loader& loader)
      : shadow_(options), loader_(loader), cpu_(options.cpu) {}

  void set_program(const std::shared_ptr<const verifier::VerifiedProgram>& program) { shadow_.set_program(program); }
  [[nodiscard]] Result<> bind(std::uint32_t index, const std::shared_ptr<exec::Map>& map) {
    return shadow_.units().bind(index, map);
  }

  // A frame goes to the device, in this order.
  void expect(const exec::Frame& frame, bool native);
  void started(std::uint8_t thread, std::uint64_t cycle) override;
  void retired(const sim::Retired& bundle, std::uint64_t cycle) override;
  void called(const Call& call) override;

  // A divergence: where, and what.
  struct Difference {
    std::uint64_t cycle = 0;
    std::string message;
  };
  // A frame came back, in the same order; nothing if all is as the interpreter has it.
  [[nodiscard]] std::optional<Difference> finish(const exec::Frame& frame, std::uint8_t cause);

  [[nodiscard]] std::uint64_t compared() const { return compared_; }      // results
  [[nodiscard]] std::uint64_t incomplete() const { return incomplete_; }  // packets that were not compared to their end

 private:
  using Place = std::pair<const verifier::VerifiedProgram*, std::uint32_t>;  // an instruction
  struct Event {
    Place at;
    std::uint64_t cycle = 0, value = 0;
    std::uint32_t pc = 0;
    std::uint8_t swapped = 0;  // bytes, if the slot swapped what it loaded
  };
  // What a helper on the host left: bytes of frames that it changed, the packet.
  struct Aftermath {
    struct Byte {
      unsigned depth, offset;
      std::byte value;
    };
    std::vector<Byte> stack;
    std::vector<std::byte> packet;
    std::uint32_t meta = 0, data = 0;
  };
  struct Log {
    const exec::Frame* frame = nullptr;
    std::optional<exec::Frame> copy;         // as it came; none: it is not compared
    std::vector<std::vector<Event>> visits;  // of traces: what was written from one taken branch to the next
    std::size_t visit = 0;                   // where the interpreter is
    std::map<Place, std::deque<Aftermath>> calls;
    std::uint64_t last_cycle = 0;
    std::uint32_t last_pc = program::kNone;
    std::uint8_t thread = 0;
  };
  enum class Step : std::uint8_t { on, end, lost };
  // Of a result: the interpreter has it, or does not know it.
  enum class Known : std::uint8_t { yes, no };

  void compare(Log& log, const exec::Frame& frame, bool stopped);
  [[nodiscard]] Step step(Log& log);
  [[nodiscard]] Step branch(const program::Instruction& insn, verifier::Branch ways);
  [[nodiscard]] Step call_helper(Log& log, const program::Instruction& insn, const Place& at);
  [[nodiscard]] Step leave();
  [[nodiscard]] Step load(Log& log, const program::Instruction& insn, const Place& at);
  [[nodiscard]] Step store(const program::Instruction& insn, const Place& at);
  [[nodiscard]] Step atomic(Log& log, const program::Instruction& insn, const Place& at);
  [[nodiscard]] Step advance();
  [[nodiscard]] Step pass_over(const Place& at);
  [[nodiscard]] static std::optional<Event> next_of(Log& log, const Place& at);
  [[nodiscard]] static std::string where(const Log& log, const Event& event);
  void compare_rest(const Log& log);
  [[nodiscard]] Step hold(Log& log, const Place& at, unsigned reg, Known known);
  [[nodiscard]] bool is_unknown(interp::GuestAddress address, unsigned bytes) const;
  void set_unknown(interp::GuestAddress address, unsigned bytes, bool unknown);
  [[nodiscard]] Step take(Log& log, const Place& at);
  void compare_end(const Log& log, const exec::Frame& frame);
  [[nodiscard]] bool same(std::uint64_t device, std::uint64_t interpreter) const;
  void differ(std::uint64_t cycle, std::string message);

  interp::Proxy shadow_;
  const Loader& loader_;
  unsigned cpu_;
  std::deque<std::unique_ptr<Log>> logs_;       // in order of arrival
  std::size_t begun_ = 0;                       // of them
  std::unordered_map<std::uint8_t, Log*> now_;  // by thread
  std::uint64_t compared_ = 0, incomplete_ = 0;

  // Of the packet at hand.
  std::optional<Difference> found_;
  verifier::RegisterSet unknown_ = 0;             // registers
  std::vector<verifier::RegisterSet> saved_;      // of callers
  std::set<interp::GuestAddress> unknown_bytes_;  // of stack and packet
};

}  // namespace forager::jit::rtl

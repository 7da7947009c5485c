// SPDX-License-Identifier: Apache-2.0
//
// Attendant: the host's side of a device that runs. It answers the requests of threads: accesses to memory that is the
// host's, and instructions that the device hands over, which the interpreter executes on what the device holds (stack,
// packet, arguments) and whose results go back there.
//
// A device that asks or sends what it was not asked for is an error, of kind bug.
//
// Tested by: tests/unit/rtl_device_test.cc, rtl_liar_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "interp/proxy.h"
#include "jit-backends/rtl/chip_memory.h"
#include "jit-backends/rtl/geometry.h"
#include "jit-backends/rtl/loader.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

// How often the host was asked for what: by BPF instruction of the loaded program.
struct Delegated {
  std::uint64_t accesses = 0;
  std::uint64_t instructions = 0;
};

// Sees what helpers that the host executes leave of a packet's memory.
class CallWatcher {
 public:
  struct Call {
    exec::Frame& frame;
    const interp::Unit& unit;
    std::uint32_t instruction;
    unsigned depth;
    interp::Proxy& proxy;               // has the stack frames up to `depth` as they are now
    std::span<const std::byte> before;  // these frames as they were, outermost first
  };
  virtual ~CallWatcher() = default;
  virtual void called(const Call& call) = 0;
};

class Attendant {
 public:
  Attendant(sim::Board& board, Loader& loader, ChipMemory& chip, const Geometry& geometry,
            const exec::DeviceOptions& options);

  // One machine for each packet that may be under way.
  void set_program(const std::shared_ptr<const verifier::VerifiedProgram>& program);
  [[nodiscard]] Result<> bind(std::uint32_t index, const std::shared_ptr<exec::Map>& map);
  [[nodiscard]] const interp::Unit& unit();
  void forget_targets();
  // Of the machine that packets meet which come one at a time, between batches.
  [[nodiscard]] std::uint64_t& random_state() { return free_.back()->random_state(); }

  void watch(CallWatcher& watcher) { watcher_ = &watcher; }

  // The frame of a tag; `native`: the device has the packet.
  void expect(std::uint32_t tag, exec::Frame& frame, bool native);
  // Forgets the frames of a batch that came to no end.
  void abandon();
  // Answers one thread that waits.
  [[nodiscard]] Result<> serve();
  // A packet left the device: results into its frame.
  [[nodiscard]] Result<> finish(const sim::Departure& departure);

  [[nodiscard]] const Delegated& delegated() const { return delegated_; }

 private:
  struct Job {
    exec::Frame* frame = nullptr;
    bool native = false;
    interp::Proxy* proxy = nullptr;  // null: it was not needed yet
    bool redirected = false;         // by the host, which was asked to
  };
  // What a thread asks.
  struct Request {
    std::uint32_t thread = 0, pc = 0, slot = 0, depth = 0;
    std::uint64_t address = 0, data = 0, other = 0;
    Job* job = nullptr;
    const Resident* resident = nullptr;
  };
  enum class Answer : std::uint8_t { result, jump, end, stop };

  [[nodiscard]] Result<Request> look(std::uint32_t thread);
  [[nodiscard]] interp::Proxy& proxy_of(Job& job, unsigned thread);
  [[nodiscard]] unsigned cpu_of(unsigned thread) const;
  [[nodiscard]] Result<> answer(Answer kind, std::uint64_t value, std::uint32_t pc = 0);
  [[nodiscard]] Result<> stop(const Request& request, const std::string& message);

  [[nodiscard]] Result<> show_state(const Request& request);
  [[nodiscard]] Result<> access(const Request& request);
  [[nodiscard]] std::uint32_t scratch_row(const Request& request) const;
  [[nodiscard]] Result<> map_operation(const Request& request, const Slot& slot);
  [[nodiscard]] Result<> send_elsewhere(const Request& request, CoreOp op, std::uint64_t map);
  [[nodiscard]] Result<> update(const Request& request, const ChipMemory::Entry& entry, std::uint64_t flags);
  [[nodiscard]] Result<> execute(const Request& request);
  [[nodiscard]] Result<> execute_alone(const Request& request, std::uint32_t instruction);
  [[nodiscard]] Result<> jump(const Request& request, const Slot& slot);
  [[nodiscard]] Result<const Resident*> load_everywhere(const interp::Unit& unit);
  [[nodiscard]] Result<> call(const Request& request, std::uint32_t instruction, std::optional<std::uint64_t> second);
  static void set_known_arguments(const Request& request, interp::Proxy& proxy, std::uint32_t instruction);
  [[nodiscard]] Result<> conclude(const Request& request, interp::Proxy::Outcome outcome, std::uint64_t result);
  [[nodiscard]] Result<> clear_stack(const Request& request, const CoreProgram& target);
  [[nodiscard]] Result<> fetch_edges(exec::Frame& frame);
  [[nodiscard]] Result<> fetch(const Request& request, interp::Proxy& proxy);
  [[nodiscard]] Result<> give_back(const Request& request, interp::Proxy& proxy);
  [[nodiscard]] static Result<> take_packet(exec::Frame& frame, const sim::Departure& departure);
  [[nodiscard]] Result<> redirect(const Job& job, interp::Proxy& proxy, const sim::Redirection& to);
  [[nodiscard]] Result<> redirect_by(interp::Proxy& proxy, std::uint64_t map, std::uint32_t key);
  [[nodiscard]] Result<> tell_cause(interp::Proxy& proxy, const sim::Departure& departure);

  sim::Board& board_;
  Loader& loader_;
  ChipMemory& chip_;
  Geometry geometry_;
  exec::DeviceOptions options_;
  std::vector<std::unique_ptr<interp::Proxy>> proxies_;
  std::vector<interp::Proxy*> free_;
  std::unordered_map<std::uint32_t, Job> jobs_;
  std::deque<std::uint32_t> order_;        // of their tags: packets leave as they came
  CallWatcher* watcher_ = nullptr;         // null: nobody
  std::vector<std::byte> stack_, packet_;  // as they were before a call
  Delegated delegated_;
};

}  // namespace forager::jit::rtl

// SPDX-License-Identifier: Apache-2.0
//
// Proxy: a machine that executes single instructions for a device which runs the others itself.
//
// A device that has no native form of an instruction (a helper, a context field, memory that is the host's) gives the
// proxy what the instruction sees, and takes what it changes: registers, the stack frames in use, the frame. Addresses
// are guest addresses (memory.h) on both sides.
//
// Order of calls: set_program() and units().bind(), as for a machine; then for each frame begin(), any of the others,
// and finish().
//
// Tested by: tests/unit/rtl_*_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "interp/machine.h"

namespace forager::interp {

class Proxy {
 public:
  explicit Proxy(const exec::DeviceOptions& options) : machine_(options, Checking::memory) {}

  [[nodiscard]] UnitTable& units() { return machine_.units(); }
  void set_program(std::shared_ptr<const verifier::VerifiedProgram> program);

  void begin(exec::Frame& frame, unsigned cpu);
  // Leaves the results in the frame, or what stopped the program.
  void finish(std::uint64_t r0);
  // The device stopped the program at an instruction of the unit.
  void stop(const Unit& unit, std::uint32_t instruction, ErrorKind kind, int error, std::string message);

  [[nodiscard]] std::array<std::uint64_t, isa::kRegisters>& registers() { return machine_.r_; }
  // 512 bytes.
  [[nodiscard]] std::span<std::byte> stack(unsigned depth) { return machine_.stacks_.frame(depth); }
  // Of the context, and of the frame's buffer as it is now.
  [[nodiscard]] GuestAddress context() const { return Memory::fixed_address(machine_.context_region_); }
  [[nodiscard]] GuestAddress packet() const { return machine_.packet_; }
  // The packet's edges are the frame's: those of the device, should it have moved them.
  void show_packet();
  // What the next random number is made from.
  [[nodiscard]] std::uint64_t& random_state() { return machine_.run_.random_state; }
  // Program that runs now: the loaded one, or the target of a tail call.
  [[nodiscard]] const Unit* unit() const { return machine_.unit_; }

  // The frame goes to where an entry of a map leads (bpf_redirect_map).
  void redirect(exec::Map& map, std::uint32_t key);

  enum class Outcome : std::uint8_t {
    next,     // goes on with the next instruction; registers() has its results
    jumped,   // a tail call: goes on at the beginning of unit()
    left,     // the running function returned with r0 (LD_ABS outside of the packet)
    stopped,  // finish() says why
  };
  // Executes one instruction, at a call depth.
  [[nodiscard]] Outcome execute(const Unit& unit, std::uint32_t instruction, unsigned depth);

  // A whole program, one instruction after the other. Where it stands: an instruction of unit(), and at which depth.
  [[nodiscard]] std::uint32_t next() const { return machine_.next_; }
  [[nodiscard]] unsigned depth() const { return machine_.depth_; }
  // Executes the instruction there. `left`: the program ended with registers()[0]; `jumped`: anything but the next
  // follows.
  [[nodiscard]] Outcome advance();
  // Leaves it out: another follows.
  void pass_over(std::uint32_t next) { machine_.next_ = next; }
  // Why the program was stopped; null if it was not.
  [[nodiscard]] const Diagnostic* trap() const { return machine_.trap_.get(); }
  // Of the region that an address is in.
  [[nodiscard]] RegionKind kind_of(GuestAddress address) const { return machine_.memory_.region(address).kind; }

  // Memory that is not the device's own: host bytes, or why not.
  [[nodiscard]] Span access(GuestAddress address, std::uint64_t size, Use use) const {
    return machine_.memory_.access(address, size, use);
  }

 private:
  Machine machine_;
};

}  // namespace forager::interp

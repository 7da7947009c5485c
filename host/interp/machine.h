// SPDX-License-Identifier: Apache-2.0
//
// Machine: registers, call frames and the instruction loop.
//
// The loop is a switch over isa::Op made from the rows of isa.def, with the rows' semantics; nothing here lists
// instructions a second time. Every memory access is checked (memory.h), in every mode, whatever the verifier said: the
// reference engine judges the verifier too. A bad access, a helper that is missing or the instruction budget stops
// ("traps") the invocation; the frame then gets a diagnostic and its program type's safe verdict.
//
// Checked mode (Checking::initialisation) knows, besides, which registers and which bytes of stack and packet were
// written, and traps at the first use of one that was not. Checking::facts holds each instruction against the
// verifier's facts as well (assertions.h).
//
// Invariants: at_ is the index of the step being executed; every member function that executes one returns false where
// the invocation ends, and trap_ says then whether it was stopped.
//
// Tested by: tests/unit/interp_*_test.cc, tests/golden, conformance vectors.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "exec/backend.h"
#include "interp/assertions.h"
#include "interp/device.h"
#include "interp/stacks.h"
#include "interp/unit.h"

namespace forager::exec {
class SeqFile;
}

namespace forager::interp {

class Machine : private exec::ProgramCalls {
 public:
  Machine(const exec::DeviceOptions& options, Checking checking);

  [[nodiscard]] UnitTable& units() { return units_; }
  void set_program(std::shared_ptr<const verifier::VerifiedProgram> program);
  // Runs the loaded program on one frame and leaves its results there.
  void run(exec::Frame& frame);
  // Runs one of its functions by itself. Errors: input for a function that there is none; what stopped it.
  [[nodiscard]] Result<> run_async(const exec::AsyncCall& call);
  [[nodiscard]] const exec::Counters& counters() const { return counters_; }

 private:
  friend class Proxy;

  // A call of the helper that `helper` describes, under translation. `host` is what the function gets.
  struct Call {
    const HelperCall& helper;
    std::array<std::uint64_t, 5> host{};
    exec::Map* map = nullptr;
    GuestAddress ends = 0;          // the record or socket that is gone afterwards
    std::uint64_t record_size = 0;  // that it begins
    bool ends_dynptr = false;
  };
  // A packet's, as offsets in its frame's buffer.
  struct Edges {
    std::uint32_t meta, data, end;
  };
  // What a subprogram returns to.
  struct Caller {
    const Unit* unit = nullptr;
    std::uint32_t next = 0;
    std::array<std::uint64_t, 4> saved{};  // r6-r9
    RegisterSet defined = 0;
  };
  // Memory of a dynptr that the program has a pointer to.
  struct Slice {
    std::size_t entry = 0;
    GuestAddress address = 0;
  };
  // What an iterator is shown; 0 is null.
  struct Shown {
    GuestAddress meta = 0, map = 0, key = 0, value = 0, seq = 0;
    exec::SeqFile* file = nullptr;
  };

  // machine.cc
  void start(exec::Frame& frame);
  void start_entry();
  void execute_checked();
  void start_raw_memory();
  void finish();
  template <Checking kChecking>
  void execute();
  [[nodiscard]] bool assert_before();
  [[nodiscard]] bool assert_after();
  [[nodiscard]] bool step(const Step& s);
  [[nodiscard]] bool step_one(const Step& s);
  void enter_unit(const Unit& unit, std::uint32_t next);
  void enter_stack();
  [[nodiscard]] bool check_registers(const Step& s);
  [[nodiscard]] bool stop(ErrorKind kind, int error, std::string message);
  [[nodiscard]] bool stop(const Span& span, std::uint64_t size, Use use);
  [[nodiscard]] bool stop_for_regions();
  template <class T, bool kSign>
  [[nodiscard]] bool load_memory(const Step& s);
  template <class T>
  [[nodiscard]] bool store_memory(const Step& s, std::uint64_t value);
  template <class T, bool kFetch, class Update>
  [[nodiscard]] bool update_memory(const Step& s, unsigned old_register, Update update);
  [[nodiscard]] std::uint64_t store_imm(const Step& s) const { return s.imm; }
  [[nodiscard]] std::uint64_t store_reg(const Step& s) const { return r_[s.src]; }
  // One for each row of control flow.
  [[nodiscard]] bool ja(const Step& s);
  [[nodiscard]] bool ja32(const Step& s);
  [[nodiscard]] bool call_helper(const Step& s);
  [[nodiscard]] bool call_local(const Step& s);
  [[nodiscard]] bool call_kfunc(const Step& s);
  [[nodiscard]] bool callx(const Step& s);
  [[nodiscard]] bool exit(const Step& s);

  // callbacks.cc
  [[nodiscard]] std::optional<std::uint64_t> call(std::uint64_t function,
                                                  std::span<const exec::CallbackArgument> arguments) override;
  [[nodiscard]] exec::TimerCallback keep(std::uint64_t function) const override;
  [[nodiscard]] bool pass_callback(Call& call, unsigned index);
  [[nodiscard]] bool pass_to_callback(std::span<const exec::CallbackArgument> arguments,
                                      std::vector<GuestAddress>& lent);
  [[nodiscard]] std::uint64_t guest_of(const exec::CallbackArgument& argument, std::vector<GuestAddress>& lent);

  // context.cc
  void show_context(const isa::ProgTypeRow& type);
  [[nodiscard]] bool load_packet(const Step& s, std::uint32_t size, std::uint64_t index);
  [[nodiscard]] bool load_context(const Step& s, const Span& span, std::uint32_t size, bool sign);
  [[nodiscard]] bool store_context(const Step& s, const Span& span, std::uint32_t size, std::uint64_t value);
  void start_packet();
  void add_packet();
  [[nodiscard]] bool move_packet(const Edges& old);
  [[nodiscard]] Edges edges() const;

  // visit.cc
  void show_visit();
  [[nodiscard]] std::uint64_t shown(isa::FieldKind kind) const;
  [[nodiscard]] bool pass_seq_file(Call& call, unsigned index);

  // calls.cc
  [[nodiscard]] bool tail_call();
  [[nodiscard]] bool jump_to(const exec::ProgramSlot& slot);
  [[nodiscard]] bool pass(Call& call, unsigned index);
  [[nodiscard]] bool pass_map(Call& call, unsigned index);
  [[nodiscard]] bool pass_context(Call& call, unsigned index);
  [[nodiscard]] bool pass_memory(Call& call, unsigned index, std::uint64_t size, Use use);
  [[nodiscard]] bool pass_sized(Call& call, unsigned index, Use use);
  [[nodiscard]] bool pass_record(Call& call, unsigned index);
  [[nodiscard]] bool pass_string(Call& call, unsigned index);
  [[nodiscard]] bool pass_value_field(Call& call, unsigned index, std::uint64_t size);
  [[nodiscard]] bool pass_socket(Call& call, unsigned index);
  [[nodiscard]] bool pass_value(Call& call, unsigned index);
  [[nodiscard]] bool pass_dynptr(Call& call, unsigned index);
  [[nodiscard]] bool invoke(Call& call);
  [[nodiscard]] bool give_result(const Call& call, std::uint64_t value);
  [[nodiscard]] std::uint64_t give_slice(const Call& call, std::byte* slice);
  [[nodiscard]] std::uint64_t give_map_value(const Call& call, std::uint64_t value);
  [[nodiscard]] GuestAddress lend_socket(exec::Socket& socket);
  void end_slices();
  [[nodiscard]] bool bad_argument(const Call& call, unsigned index, std::string_view expected);
  void close_records();
  void let_go();

  exec::DeviceOptions options_;
  exec::Environment no_environment_;
  exec::RunContext run_;
  exec::Counters counters_;
  Checking checking_;
  bool checked_;  // checking_ is more than memory
  Memory memory_;
  std::uint32_t context_region_;
  Stacks stacks_;
  UnitTable units_;
  Assertions assertions_;
  std::vector<std::uint8_t> packet_written_;  // checked mode

  // Of the invocation at hand.
  std::array<std::uint64_t, isa::kRegisters> r_{};
  RegisterSet defined_ = 0;  // registers, checked mode
  const Unit* unit_ = nullptr;
  const Step* steps_ = nullptr;  // unit_'s
  std::uint32_t at_ = 0;
  std::uint32_t next_ = 0;
  unsigned depth_ = 0;
  unsigned base_ = 0;  // the depth whose exit ends what is being executed: the program, or a callback
  unsigned tail_calls_ = 0;
  std::uint64_t executed_ = 0;
  GuestAddress packet_ = 0;       // of the frame's buffer
  std::span<std::byte> context_;  // where its scalar fields stand
  std::array<Caller, isa::kMaxCallFrames> callers_{};
  std::vector<Slice> slices_;
  Shown shown_;
  std::array<std::uint64_t, 3> meta_{};  // struct bpf_iter_meta
  std::unique_ptr<Diagnostic> trap_;
};

}  // namespace forager::interp

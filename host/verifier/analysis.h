// SPDX-License-Identifier: Apache-2.0
//
// Analysis: the exploration of one program, depth first, a path at a time (Linux do_check). Private to this folder.
//
// The current path is state_; at each conditional jump that could go both ways the other way is put on pending_.
// explore.cc has the loop, convergence.cc decides where a path may stop, precision.cc marks what mattered for that;
// the other files are the rules, one family each. A broken rule ends the analysis by refuse(), which throws a Refusal
// that verify() turns into its result: no exception leaves this folder.
#pragma once

#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "verifier/alu_form.h"
#include "verifier/argument_rules.h"
#include "verifier/checkpoint.h"
#include "verifier/recorder.h"
#include "verifier/state.h"
#include "verifier/structure.h"
#include "verifier/verify.h"

namespace forager::verifier {

using isa::Arg;
using isa::Op;
using program::Instruction;
using program::kNone;
using program::MapSpec;
using program::Program;

struct Refusal {
  Diagnostic diagnostic;
};

// Registers and slots, by frame, whose values mattered.
struct Wanted {
  std::array<RegisterSet, isa::kMaxCallFrames> regs{};
  std::array<SlotSet, isa::kMaxCallFrames> slots{};
  [[nodiscard]] bool empty() const { return regs == decltype(regs){} && slots == decltype(slots){}; }
};

// What is known of a call while its arguments are checked, for its effects (Linux bpf_call_arg_meta).
struct CallMeta {
  const isa::HelperRow* helper = nullptr;
  std::array<Arg, 5> args{};
  Reg map;          // type uninit: none
  u32 release = 0;  // register whose reference the call takes back
  u32 reference = 0;
  u64 size_max = 0;        // of memory arguments: the last size's bound
  u64 alloc_size = 0;      // const_alloc_size
  u32 subprogram = kNone;  // callback
  u32 dynptr_id = 0;
  DynptrType dynptr = DynptrType::none;
  bool element_exists = false;  // the key is a constant index inside an array
  struct Dynptr {
    u32 reg = 0;  // 0: none
  } new_dynptr;
};

class Analysis {
 public:
  Analysis(const Program& program, const Options& options, const Structure& structure, Report& report);
  ~Analysis();
  Analysis(const Analysis&) = delete;
  Analysis& operator=(const Analysis&) = delete;

  // Throws Refusal.
  void run();
  [[nodiscard]] Recorder& recorder() { return recorder_; }
  [[nodiscard]] const BufferUse& buffer_use() const { return buffers_; }
  [[nodiscard]] const std::vector<u32>& stack_depths() const { return stack_depths_; }  // bytes, by subprogram

 private:
  enum class Flow : std::uint8_t { next, jumped, ended };  // jumped: state_.at is set

  // explore.cc
  void run_main();
  void run_global_function(u32 subprogram);
  void explore();
  [[nodiscard]] Flow step(const Instruction& insn);
  [[nodiscard]] bool next_path();
  void push_path(u32 at);
  void count_instruction();
  [[nodiscard]] const Instruction& current() const { return program_.instructions()[at_]; }
  [[nodiscard]] const Instruction& instruction(u32 at) const { return program_.instructions()[at]; }

  // convergence.cc
  [[nodiscard]] bool visited();
  [[nodiscard]] bool stops_at(const std::shared_ptr<Checkpoint>& old);
  [[nodiscard]] static bool is_useless(Checkpoint& old, bool forced);
  void add_checkpoint();
  void end_path();
  void complete(Checkpoint& checkpoint);
  void end_at(const std::shared_ptr<Checkpoint>& old, bool in_progress);
  bool carry_marks(const Checkpoint& old, State& state);
  void settle();
  [[nodiscard]] std::vector<RegisterSet> live_by_frame() const;
  [[nodiscard]] const Checkpoint* previous_visit() const;
  void widen_from(const Checkpoint& old);

  // precision.cc
  void mark_precise(u32 reg);
  void mark_slot_precise(u32 frame, u32 slot);
  bool trace(const State& state, Wanted wanted, bool skip_last);
  bool mark_read(const State& state, u32 frame, HalfSet halves);
  struct Later {
    u32 instruction;
    u32 frame;
  };
  void trace_steps(std::span<const Step> steps, std::span<const LinkedPlaces> linked, Later later,
                   Wanted& wanted) const;
  void trace_step(const Step& step, std::span<const LinkedPlaces> linked, const Later& later, Wanted& wanted) const;
  void trace_call(const Step& step, const Later& later, Wanted& wanted) const;
  void trace_exit(const Step& step, const Later& later, Wanted& wanted) const;

  // arithmetic.cc
  void arithmetic(const Instruction& insn);
  void move(const Instruction& insn);
  void check_sleepable(const Reg& reg);
  Reg copy_of(u32 number, bool same_value);
  Reg moved(const Instruction& insn, const AluForm& form);
  [[nodiscard]] Reg changed(const Reg& before, const AluForm& form) const;
  void link_on_copy(Reg& reg);
  static void link_shifted(Reg& result, Alu op, unsigned width, const Reg& before, const Scalar& by);

  // pointers.cc
  Reg with_pointer(const Instruction& insn, const AluForm& form, const Reg& before, const Reg& src);
  Reg moved_pointer(const Instruction& insn, Alu op, const Reg& pointer, const Reg& amount);
  void check_sane_offset(const Reg& reg, const Reg& pointer);

  // jumps.cc
  [[nodiscard]] Flow conditional_jump(const Instruction& insn);
  [[nodiscard]] Outcome decide_jump(Condition condition, unsigned width, const Reg& dst, const Reg& src) const;
  void learn(State& state, Condition condition, unsigned width, const Instruction& insn, const Reg& dst, const Reg& src,
             const LinkedPlaces& places);
  void learn_null(State& state, const Instruction& insn, Condition condition);
  void learn_packet(State& state, const Instruction& insn, Condition condition);
  void spread(State& state, u32 reg, const LinkedPlaces& places);
  [[nodiscard]] LinkedPlaces places_of(u32 id) const;
  void set_null(State& state, u32 id, bool null, u32 reference);

  // memory.cc, context.cc, map_values.cc
  void load(const Instruction& insn);
  void store(const Instruction& insn);
  void atomic(const Instruction& insn);
  void packet_load(const Instruction& insn);
  struct Access {
    u32 reg;     // number of the pointer
    s64 offset;  // of the instruction
    u32 bytes;
    Touch touch;
    bool atomic = false;
  };
  // Checks an access through a register; gives what a load yields.
  Reg access(const Access& access, const Reg* value, u32 value_reg, bool sign);
  [[noreturn]] void refuse_no_memory(const Access& a, const Reg& base);
  void check_one_kind(RegType type);
  Reg access_context(const Access& a, const Reg& base);
  [[noreturn]] void refuse_context(const Access& a);
  void access_packet(const Access& a, const Reg& base);
  Reg access_map_value(const Access& a, const Reg& base, bool sign);
  void access_socket(const Access& a, const Reg& base);
  // objects.cc
  Reg access_object(const Access& a, const Reg& base, bool sign);
  void access_buffer(const Access& a, const Reg& base);
  void check_alignment(const Access& a, const Reg& base, bool strict);
  void check_map_rights(const Reg& base, u32 reg, Touch touch);
  void check_range(u32 reg, const Reg& base, s64 offset, u64 bytes, u64 size, bool may_be_empty, std::string_view what);
  void check_value_fields(const Reg& base, s64 offset, u64 bytes);
  [[nodiscard]] bool may_write_packet() const;
  [[nodiscard]] const MapSpec& spec_of(const Reg& reg) const;
  void forget_packet_pointers();

  // stack.cc
  void write_stack(const Reg& base, u32 reg, s64 offset, u32 bytes, const Reg* value, u32 value_reg);
  Reg read_stack(const Reg& base, u32 reg, s64 offset, u32 bytes, bool sign);
  void write_stack_somewhere(const Reg& base, s64 low, s64 high, const Reg* value, u32 value_reg);
  void write_slot(u32 frame, s64 offset, u32 bytes, const Reg* value, u32 value_reg);
  Reg fill(u32 frame, s64 offset, u32 bytes, bool sign);
  void check_stack_bounds(const Reg& base, u32 reg, s64 offset, u64 bytes, bool write);
  // Bytes that a helper reads, fills (at least `certain` of them), or updates.
  void helper_stack(u32 reg, const Reg& base, u64 bytes, u64 certain, Touch touch);
  void check_initialised(u32 frame, s64 low, s64 high, u32 reg);

  void overwrite(u32 frame, s64 low, s64 high, u64 certain);
  void destroy_dynptr(u32 frame, u32 slot);

  // helpers.cc, arguments.cc
  [[nodiscard]] Flow call_helper(const Instruction& insn);
  [[nodiscard]] const isa::HelperRow& allowed_helper(const Instruction& insn);
  void check_map_argument(const CallMeta& meta);
  void check_argument(CallMeta& meta, u32 index);
  [[nodiscard]] static ArgumentFact fact_of(const Reg& reg);
  void check_kind(CallMeta& meta, u32 index, const ArgRule& rule);
  void check_pointer_kind(const CallMeta& meta, u32 index, const ArgRule& rule);
  [[nodiscard]] u64 check_meaning(CallMeta& meta, u32 index, const ArgRule& rule);
  void set_map(CallMeta& meta, const Reg& reg);
  void set_alloc_size(CallMeta& meta, u32 number);
  // argument_memory.cc
  [[nodiscard]] u64 check_element(CallMeta& meta, u32 number, const ArgRule& rule);
  void check_fixed(const CallMeta& meta, u32 number, const ArgRule& rule);
  void check_sized(CallMeta& meta, u32 index);
  void check_memory(u32 reg, u64 bytes, u64 certain, Touch touch, bool may_be_empty, const isa::HelperRow& helper);
  void check_constant_key(CallMeta& meta, u32 reg);
  void check_string(u32 reg);
  void check_release(CallMeta& meta, u32 index);
  void give_result(const CallMeta& meta);
  void refine_result(const CallMeta& meta);
  Reg result_of_lookup(const CallMeta& meta);
  void helper_specifics(const CallMeta& meta);
  void check_format(const CallMeta& meta);

  // references.cc
  u32 take_reference();
  void release(u32 reference);
  void spin_lock(u32 reg, bool lock);
  void check_timer(CallMeta& meta, u32 reg);
  void check_nothing_held(std::string_view what);

  // dynptrs.cc
  void check_dynptr(CallMeta& meta, u32 index, bool fresh);
  void make_dynptr(const CallMeta& meta);
  void end_dynptr(u32 reg);

  // calls.cc
  [[nodiscard]] Flow call_local(const Instruction& insn);
  void check_global_call(u32 subprogram);
  void enter(State& state, u32 subprogram, u32 call_site, FrameKind kind);
  [[nodiscard]] Flow exit();
  [[nodiscard]] Flow return_from_callback();
  void check_return_value();
  void check_may_end_early(std::string_view what);
  void check_tail_call();
  void return_after_tail_call();
  void clear_caller_saved(std::array<Reg, isa::kRegisters>& regs);
  // callbacks.cc
  void push_callback(const CallMeta& meta);
  void set_callback_arguments(const CallMeta& meta, Frame& callee, const Frame& caller) const;
  void push_async_callback(const CallMeta& meta);

  // errors
  [[noreturn]] void refuse(int error, std::string why, std::string hint = {});
  [[noreturn]] void refuse_limit(std::string why, u64 limit, u64 asked, std::string hint);
  [[nodiscard]] std::vector<std::string> path() const;  // trail.cc
  [[nodiscard]] const Reg& read_reg(u32 number);
  [[nodiscard]] bool called_before() const;
  [[nodiscard]] std::string say(const Reg& reg) const { return describe(reg, program_.maps()); }

  // log.cc
  void log_instruction();
  void log_state(std::string_view before);
  void log_line(std::string_view text);

  [[nodiscard]] u32 next_id() { return ++ids_; }
  [[nodiscard]] bool privileged_uninitialised() const { return options_.allow_uninitialised_stack; }

  const Program& program_;
  const Options& options_;
  const Structure& structure_;
  Report& report_;
  Recorder recorder_;
  BufferUse buffers_;
  const isa::ProgTypeRow& type_;

  State state_;
  u32 at_ = 0;  // the instruction at hand
  std::vector<State> pending_;
  std::vector<std::vector<std::shared_ptr<Checkpoint>>> kept_;  // by prune point
  u32 ids_ = 0;
  u32 entry_subprogram_ = 0;
  std::vector<u32> stack_depths_;
  std::vector<RegType> access_types_;  // by instruction: what it accessed first
  std::vector<bool> global_called_;

  // Back edges whose target is not done (convergence.cc).
  struct BackEdge {
    std::shared_ptr<Checkpoint> target;
    State from;
  };
  std::vector<BackEdge> back_edges_;
  std::vector<std::shared_ptr<Checkpoint>> looping_;
  u32 loop_depth_ = 0;  // of the outermost target

  u64 jumps_ = 0, jumps_at_checkpoint_ = 0;
  u64 processed_ = 0, processed_at_checkpoint_ = 0;
  u64 live_bytes_ = 0, live_states_ = 0;
};

}  // namespace forager::verifier

// SPDX-License-Identifier: Apache-2.0
//
// Generator: random programs that are nearly right.
//
// It writes what compilers and people write: packet bounds in all shapes, null checks, masks before variable offsets,
// spills, loops with counters, subprograms that are lent memory, records, atomics, helpers with sizes from ranges,
// arithmetic on the numbers that ranges break on. It keeps a guess of the state (state.h) so that most of it is sound,
// and now and then makes the mistake that the rule at hand is there for: off by one, the wrong register, a check left
// out or turned round.
//
// A program is told by (seed, index) alone.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tests/fuzz/verifier/code.h"
#include "tests/fuzz/verifier/random.h"
#include "tests/fuzz/verifier/state.h"
#include "tests/fuzz/verifier/world.h"

namespace forager::fuzz {

class Generator {
 public:
  Generator(std::uint64_t seed, std::uint64_t index) : random_(seed, index) {}
  // With global functions, what functions are called with is numbers only.
  [[nodiscard]] std::vector<Slot> program(bool global_functions = false);
  // Whether it has a pointer that comes back from behind the packet's end (tests/verifier/soak_findings.txt).
  [[nodiscard]] bool comes_back() const { return comes_back_; }

 private:
  static constexpr unsigned kMaxDepth = 3;  // of nested blocks
  static constexpr std::size_t kMaxFunctions = 2;
  using Test = bool (*)(const Reg&);

  // generator.cc: the program, loops, functions
  void main_function();
  void function(std::size_t index);
  void block(unsigned statements);
  void statement();
  void leave_function();
  bool loop();

  // frames.cc: calls of functions, and what they are lent
  bool call_function();
  void set_scalar_arguments();
  void set_arguments_like(const State& entry);
  void lend();
  void lend_stack(unsigned reg, unsigned words);
  void put_number(unsigned base, int at, unsigned size);
  void copy_to(unsigned reg, unsigned from);
  void use_lent_stack();
  bool key_in_one_of_two_frames(unsigned map);
  [[nodiscard]] static Reg as_seen_by_callee(State caller, const Reg& reg);
  [[nodiscard]] static bool is_like(const Reg& one, const Reg& wanted);

  // branches.cc
  bool branch_on_scalar();
  bool branch_on_pointer();
  bool two_ways();
  bool use_other(unsigned reg, unsigned other, const Reg& original);
  void guard(const Slot& leaves_if);
  [[nodiscard]] Slot comparison(unsigned reg, std::optional<std::uint64_t> with = {});
  void both_ways(const Slot& test, const std::function<void()>& taken, const std::function<void()>& not_taken);

  // registers.cc: choosing registers, and numbers in them
  [[nodiscard]] int find(Test test);
  [[nodiscard]] unsigned fresh();
  unsigned scalar();
  unsigned any_scalar();
  void load_number(unsigned reg, std::uint64_t value);
  void set_arguments(unsigned from, unsigned to);
  bool arithmetic();
  bool move();
  bool pointer_difference();

  // memory.cc: loads, stores, and offsets from numbers
  bool load_scalar();
  bool store_something();
  bool spill();
  bool fill();
  bool atomic_operation();
  bool variable_offset();
  bool offset_by(unsigned number, std::uint64_t max);
  bool use_direct_value();
  int written_stack(std::uint64_t max);
  void touch(unsigned reg);
  [[nodiscard]] std::optional<int> place(const Reg& reg, unsigned size);
  [[nodiscard]] std::uint32_t room_of(const Reg& reg) const;
  void write_stack_at(unsigned reg, int offset, unsigned size);

  // packet.cc
  bool check_packet();
  bool check_packet_two_ways();
  bool come_back_from_the_end();
  bool compare_with_end(unsigned moved, unsigned end);
  bool load_packet_pointers();
  void use_metadata(unsigned context, unsigned data);

  // limits.cc
  bool limit(unsigned reg, std::uint64_t max);
  bool limit_by_arithmetic(unsigned reg, std::uint64_t bound);
  void limit_by_branch(unsigned reg, std::uint64_t bound);
  bool limit_by_register(unsigned reg, std::uint64_t bound);
  bool limit_by_copy(unsigned reg, std::uint64_t bound);
  void limit_by_stack(unsigned reg, std::uint64_t bound);

  // calls.cc: helpers
  bool lookup();
  bool check_null();
  bool change_map();
  bool record();
  bool end_record();
  bool plain_helper();
  bool memory_helper();
  bool other_helper();
  bool move_packet();
  bool tail_call();
  void stack_pointer(unsigned reg, int offset);
  void put_key(unsigned map, int at);
  void key_pointer(unsigned map);
  bool memory_argument(unsigned reg, std::uint32_t bytes);
  void end_records();

  // dynptrs.cc
  bool dynptr();
  void dynptr_argument(unsigned reg);
  void make_dynptr(int id);
  void reserve_dynptr();
  void dynptr_of(unsigned value);
  void offset_argument(unsigned reg);
  void use_dynptr();
  void slice_dynptr();

  // One mistake in so many places.
  [[nodiscard]] bool mistake() { return random_.percent(careless_); }

  Random random_;
  Code code_;
  State state_;
  unsigned careless_ = 0;
  unsigned hopeful_ = 0;
  unsigned depth_ = 0;       // of nested blocks
  unsigned budget_ = 0;      // statements still to come
  std::uint32_t kept_ = 0;   // registers that a loop around needs as they are
  std::size_t current_ = 0;  // function that is written; 0: the main one, n: functions_[n - 1]
  bool global_functions_ = false;
  bool comes_back_ = false;
  Code::Label out_{};  // of the function: returns at once
  struct Function {
    Code::Label label{};
    State entry;
    bool written = false;
  };
  std::vector<Function> functions_;
};

}  // namespace forager::fuzz

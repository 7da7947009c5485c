// SPDX-License-Identifier: Apache-2.0
//
// Rules: a step as lines of C, one rule for each kind. Registers are the variables r0 to r10, of 64 bits.
//
// Tested by: tests/unit/opencl_compile_test.cc (each row of isa.def, by running it).
#pragma once

#include <string>

#include "exec/host_helpers.h"
#include "jit-backends/common/code.h"
#include "jit-backends/opencl/tables.h"
#include "jit-backends/opencl/text.h"

namespace forager::jit::opencl {

// Whether cl/ has the helper at all, ...
[[nodiscard]] bool does(exec::HelperId helper);
// ... has it for programs that see a __sk_buff, ...
[[nodiscard]] bool does_for_skb(exec::HelperId helper);
// ... or for maps with such a table.
[[nodiscard]] bool does(exec::HelperId helper, TableKind kind);

class Rules {
 public:
  // `numbers`: of the program's maps in the kernel; `prefix`: of its functions' names.
  Rules(const Code& code, const std::vector<Table>& tables, const std::vector<std::uint32_t>& numbers,
        std::string prefix);

  // Lines for the step of an instruction, with the instruction as a comment.
  void put(Text& text, std::uint32_t at);
  [[nodiscard]] std::string condition(std::uint32_t at, bool inverted) const;
  [[nodiscard]] std::string function_name(std::uint32_t subprogram) const;
  // Of the function that has bpf_loop() go through a function of the program.
  [[nodiscard]] std::string loop_name(std::uint32_t subprogram) const;

  // For emit_by_rule() (dispatch.h).
  void alu(const Step& step);
  void constant(const Step& step);
  void extend(const Step& step);
  void truncate(const Step& step);
  void negate(const Step& step);
  void swap(const Step& step);
  void rotate(const Step& step);
  void add_to(const Step& step);
  void load(const Step& step);
  void load_swapped(const Step& step);
  void store(const Step& step);
  void atomic(const Step& step);
  void load_context(const Step& step);
  void store_context(const Step& step);
  void load_packet(const Step& step);
  void map_object(const Step& step);
  void map_value(const Step& step);
  void function(const Step& step);
  void jump_to(const Step&) {}  // structure.h has them
  void branch(const Step&) {}
  void call_helper(const Step& step);
  void look_up(const Step& step);
  void look_up_key(const Step& step);
  void look_up_index(const Step& step);
  void lane(const Step& step);
  void random(const Step& step);
  void sum(const Step& step);
  void call_function(const Step& step);
  void tail_call(const Step& step);
  void exit(const Step& step);

 private:
  void line(std::string code);
  void assign(unsigned reg, const std::string& value);
  void never(const Step& step, std::string_view what);
  void check(const Step& step, const std::string& address);
  // calls_skb.cc; false: no helper of these.
  bool call_skb_helper(const Step& step);
  [[nodiscard]] std::string skb_field(const Step& step) const;
  void loop(const Step& step);
  void call_of_unknown_map(const Step& step);
  void leave_if_stopped();
  [[nodiscard]] std::string loaded(const Step& step);
  [[nodiscard]] std::string place(const Step& step, unsigned base, std::int32_t further) const;
  void store_at(const Step& step, unsigned bytes, std::int32_t further, const std::string& value);
  void note_source(Text& text, std::uint32_t at);
  [[nodiscard]] std::string comment(std::uint32_t at) const;

  const Code& code_;
  const program::Program& program_;
  // Of the kernel's map: its table.
  [[nodiscard]] const Table& table(std::uint64_t map) const { return tables_[numbers_[map]]; }

  const std::vector<Table>& tables_;
  const std::vector<std::uint32_t>& numbers_;
  std::string prefix_;
  Text* text_ = nullptr;
  std::uint32_t at_ = 0;
  bool said_ = false;        // the instruction stands in a comment already
  std::string last_source_;  // C line
};

}  // namespace forager::jit::opencl

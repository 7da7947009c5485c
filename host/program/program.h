// SPDX-License-Identifier: Apache-2.0
//
// Program: a decoded eBPF program, the form every later layer works on.
//
// A Source is what a loader hands over: raw slots and what is known about them. decode() turns it into instructions
// (one per behaviour: a 64-bit immediate is one instruction though it takes two slots), resolves jump and call targets
// to instruction indices, splits subprograms and builds the control-flow graph. What decode() accepts is well formed,
// not safe: safety is the verifier's business.
//
// Two numberings exist and are never mixed: *slots* (what people, the kernel's log and bpftool count) and
// *instructions* (indices into Program::instructions()).
//
// Invariants: every jump/call target is the start of an instruction of the same program; jumps stay inside their
// subprogram; the last instruction of a subprogram is exit or an unconditional jump; maps are named by index into
// maps() (src = map_idx forms), never by file descriptor.
//
// Tested by: tests/unit/program_*_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"
#include "isa/isa.h"
#include "isa/iterators.h"
#include "isa/tables.h"

namespace forager::program {

inline constexpr std::uint32_t kNone = 0xffffffff;

// A part of a map's values that the runtime keeps for itself: programs reach it through its helpers only. From BTF.
struct ValueField {
  enum class Kind : std::uint8_t { spin_lock, timer, opaque };  // opaque: of a kind that no helper here takes
  Kind kind{};
  std::uint32_t offset = 0;  // bytes in the value
  std::uint32_t size = 0;
  friend bool operator==(const ValueField&, const ValueField&) = default;
};

// What a map is created with; sizes in bytes. Names are at most 15 characters (BPF_OBJ_NAME_LEN - 1).
struct MapSpec {
  isa::MapType type{};
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;  // BPF_F_*
  std::uint64_t extra = 0;  // bpf_attr.map_extra
  std::string name;
  std::vector<ValueField> fields;
  std::shared_ptr<const MapSpec> inner;  // maps of maps: what their elements look like
  // The only value of an array that neither programs nor user space can change any more (BPF_F_RDONLY_PROG, frozen):
  // constants to the verifier. Null otherwise.
  std::shared_ptr<const std::vector<std::byte>> frozen;
};

struct LineInfo {
  std::uint32_t slot = 0;  // holds from here to the next entry
  std::string file;
  std::uint32_t line = 0;    // from 1
  std::uint32_t column = 0;  // from 1; 0 if unknown
  std::string text;          // the C line, trimmed
};

// A parameter of a function as BTF types it, in the terms in which a call is checked (kernel/bpf/btf.c
// btf_prepare_func_args).
struct Parameter {
  enum class Kind : std::uint8_t {
    scalar,   // an integer or enumeration
    context,  // the program's context
    memory,   // pointer to `size` bytes
    other,    // of a type that a global function cannot take
  };
  Kind kind{};
  std::uint32_t size = 0;
  bool nullable = false;  // memory: may be null
  std::string name;
};

struct FunctionInfo {
  // A global function is verified by itself, from its signature alone; a static one where it is called.
  enum class Linkage : std::uint8_t { local, global, external };
  enum class Returns : std::uint8_t { scalar, nothing, other };
  std::uint32_t slot = 0;
  std::string name;
  std::uint32_t btf_type = 0;  // BTF id of the FUNC, 0 if unknown
  Linkage linkage = Linkage::local;
  Returns returns = Returns::scalar;
  std::vector<Parameter> parameters;
};

struct Source {
  std::string name;
  isa::ProgType type{};
  std::uint32_t attach_type = 0;  // enum bpf_attach_type
  bool gpl_compatible = false;
  bool xdp_has_frags = false;                  // BPF_F_XDP_HAS_FRAGS
  const isa::IteratorRow* iterator = nullptr;  // tracing: what the program visits, null = it is no iterator
  std::vector<isa::KernelMember> members;      // what it may read of kernel structures, besides struct bpf_iter_meta
  std::vector<isa::Slot> slots;
  std::vector<MapSpec> maps;  // what lddw map_idx forms index
  std::vector<LineInfo> lines;
  std::vector<FunctionInfo> functions;
};

struct Instruction {
  isa::Op op{};
  std::uint8_t dst = 0;
  std::uint8_t src = 0;
  std::int16_t offset = 0;
  std::uint64_t imm = 0;         // sign-extended 32-bit immediate, or all 64 bits of a wide one
  std::uint32_t slot = 0;        // its first slot
  std::uint32_t target = kNone;  // jump target, or first instruction of a local callee (call_local, lddw_func)
};

// lddw_map_idx*: the map's index and, for the value form, the byte offset into its first value.
[[nodiscard]] constexpr std::uint32_t map_index(const Instruction& insn) {
  return static_cast<std::uint32_t>(insn.imm);
}
[[nodiscard]] constexpr std::uint32_t map_offset(const Instruction& insn) {
  return static_cast<std::uint32_t>(insn.imm >> 32);
}

struct Subprogram {
  std::string name;
  std::uint32_t begin = 0;  // instruction indices, [begin, end)
  std::uint32_t end = 0;
  std::uint32_t entry_block = 0;
};

// A basic block. Calls do not end blocks; exits, jumps and jump targets do.
struct Block {
  std::uint32_t begin = 0;  // instruction indices, [begin, end)
  std::uint32_t end = 0;
  std::uint32_t subprogram = 0;
  std::vector<std::uint32_t> successors;  // fall-through first, then the taken branch
  std::vector<std::uint32_t> predecessors;
  std::uint32_t immediate_dominator = kNone;  // kNone for entries and unreachable blocks
  std::uint32_t loop_header = kNone;          // header block of the innermost natural loop around it
  std::uint32_t loop_depth = 0;
  bool reachable = false;  // from its subprogram's entry
};

class Program {
 public:
  // Errors: rejected (EINVAL) with the slot, for every malformed encoding, target, or subprogram boundary.
  [[nodiscard]] static Result<Program> decode(Source source);

  [[nodiscard]] const Source& source() const { return source_; }
  [[nodiscard]] const std::string& name() const { return source_.name; }
  [[nodiscard]] isa::ProgType type() const { return source_.type; }
  // What r1 points to: the program type's context, or the iterator's. Null for a type that there is not.
  [[nodiscard]] const isa::ContextRow* context() const;
  [[nodiscard]] std::span<const isa::Slot> slots() const { return source_.slots; }
  [[nodiscard]] std::span<const MapSpec> maps() const { return source_.maps; }
  [[nodiscard]] std::span<const Instruction> instructions() const { return instructions_; }
  [[nodiscard]] std::span<const Subprogram> subprograms() const { return subprograms_; }
  [[nodiscard]] std::span<const Block> blocks() const { return blocks_; }
  [[nodiscard]] std::uint32_t block_of(std::uint32_t instruction) const { return block_of_[instruction]; }
  [[nodiscard]] std::uint32_t subprogram_of(std::uint32_t instruction) const;
  // The instruction that starts at a slot, or kNone (second half of a lddw, out of range).
  [[nodiscard]] std::uint32_t instruction_at(std::uint32_t slot) const;
  // True if every cycle is a natural loop (each back edge's target dominates its source).
  [[nodiscard]] bool reducible() const { return reducible_; }

  // Line info that holds at an instruction, or nullptr.
  [[nodiscard]] const LineInfo* line_of(std::uint32_t instruction) const;
  // "file.c:12: text", or empty.
  [[nodiscard]] std::string source_line(std::uint32_t instruction) const;

 private:
  Program() = default;

  Source source_;
  std::vector<Instruction> instructions_;
  std::vector<std::uint32_t> slot_to_instruction_;
  std::vector<Subprogram> subprograms_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> block_of_;
  bool reducible_ = true;

  friend class Decoder;
  friend class GraphBuilder;
};

}  // namespace forager::program

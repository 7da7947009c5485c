// SPDX-License-Identifier: Apache-2.0
//
// Lookups in a map that the verifier knows: by arithmetic, by a walk of a hash table in place, or by a function of the
// map's. r1 to r5 are dead behind a call, so all but what BPF keeps is free here.
#include <bit>
#include <cstddef>

#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

namespace {

using exec::HashWalk;

Mem field(const Gp& base, std::size_t offset, unsigned bytes = 8) {
  return Mem(base, static_cast<std::int32_t>(offset), bytes);
}

}  // namespace

// ---- by a function -------------------------------------------------------------------------------------------------

void Emitter::look_up(const Step& step) {
  asm_.mov(rsi, rdx);
  call_lookup(step);
}

// The key is at RSI.
void Emitter::call_lookup(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  load_symbol(rdi, {.kind = Symbol::Kind::lookup_object, .index = map});
  asm_.mov(rdx, cell(offsetof(Cells, cpu), 8));
  call({.kind = Symbol::Kind::lookup_function, .index = map});
}

// ---- by arithmetic -------------------------------------------------------------------------------------------------

// The value of index i is at base + i * stride.
void Emitter::look_up_index(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  const program::MapSpec& spec = program_.maps()[map];
  const std::uint64_t stride = stride_of(spec);
  if (step.has_imm) {
    return load_symbol(rax, {.kind = Symbol::Kind::lookup_base, .index = map}, step.target * stride);
  }
  const Label none = asm_.newLabel(), done = asm_.newLabel();
  step.index == kNoIndex ? asm_.mov(eax, dword_ptr(rdx)) : asm_.mov(eax, reg(step.index).r32());
  if (!step.inside) {
    asm_.cmp(eax, static_cast<std::int64_t>(static_cast<std::int32_t>(spec.max_entries)));
    asm_.jae(none);
  }
  load_symbol(kScratch, {.kind = Symbol::Kind::lookup_base, .index = map});
  if (stride <= 8) {
    asm_.lea(rax, ptr(kScratch, rax, 3));
  } else if (std::has_single_bit(stride)) {
    asm_.shl(rax, std::countr_zero(stride));
    asm_.add(rax, kScratch);
  } else if (stride <= INT32_MAX) {
    asm_.imul(rax, rax, static_cast<std::int64_t>(stride));
    asm_.add(rax, kScratch);
  } else {
    asm_.mov(kScratch2, stride);
    asm_.imul(rax, kScratch2);
    asm_.add(rax, kScratch);
  }
  if (step.inside) return;
  asm_.bind(done);
  later([=, this] {
    asm_.bind(none);
    asm_.xor_(eax, eax);
    asm_.jmp(done);
  });
}

// ---- by a walk (exec::HashWalk) ------------------------------------------------------------------------------------

// RDI is the table, R11 and RCX the key's words, RSI its address.
void Emitter::look_up_key(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  const bool marked = program_.maps()[map].type == isa::MapType::lru_hash;
  const auto key = static_cast<std::int32_t>(marked ? HashWalk::kMarkedKey : HashWalk::kKey);
  const Label walk = asm_.newLabel(), next = asm_.newLabel(), ask = asm_.newLabel(), done = asm_.newLabel();
  load_symbol(rdi, {.kind = Symbol::Kind::lookup_walk, .index = map});
  asm_.mov(rsi, rdx);
  load_key(step.bytes);
  find_chain(step.bytes);
  asm_.test(eax, eax);
  asm_.jz(done);
  asm_.bind(walk);
  asm_.imul(rax, field(rdi, offsetof(HashWalk, node_bytes)));
  asm_.add(rax, field(rdi, offsetof(HashWalk, nodes)));
  asm_.mov(r10d, field(rax, HashWalk::kVersion, 4));
  asm_.cmp(qword_ptr(rax, key), r11);
  asm_.jne(next);
  if (step.bytes > 8) {
    asm_.cmp(qword_ptr(rax, key + 8), rcx);
    asm_.jne(next);
  }
  asm_.test(r10b, 1);
  asm_.jz(ask);
  asm_.cmp(r10d, field(rax, HashWalk::kVersion, 4));
  asm_.jne(ask);
  if (marked) mark_used();
  asm_.mov(r10d, field(rdi, offsetof(HashWalk, value_offset), 4));
  asm_.add(rax, r10);
  asm_.bind(done);
  later([=, this] {
    asm_.bind(next);
    asm_.mov(eax, field(rax, HashWalk::kNext, 4));
    asm_.test(eax, eax);
    asm_.jnz(walk);
    asm_.bind(ask);
    call_lookup(step);
    asm_.jmp(done);
  });
}

void Emitter::load_key(unsigned bytes) {
  load_from(kScratch, Mem(rdx, 0), bytes < 8 ? bytes : 8, false);
  if (bytes > 8) load_from(rcx, Mem(rdx, 8), bytes - 8, false);
}

// RAX: the number of the chain's first node.
void Emitter::find_chain(unsigned key_bytes) {
  asm_.mov(rax, field(rdi, offsetof(HashWalk, first)));
  asm_.xor_(rax, kScratch);
  if (key_bytes > 8) {
    asm_.mov(rdx, field(rdi, offsetof(HashWalk, second)));
    asm_.xor_(rdx, rcx);
    asm_.mul(rdx);
  } else {
    asm_.mul(field(rdi, offsetof(HashWalk, second)));
  }
  asm_.xor_(rax, rdx);
  asm_.xor_(rax, field(rdi, offsetof(HashWalk, seed)));
  asm_.mul(field(rdi, offsetof(HashWalk, third)));
  asm_.xor_(eax, edx);
  asm_.and_(eax, field(rdi, offsetof(HashWalk, mask), 4));
  asm_.mov(rdx, field(rdi, offsetof(HashWalk, heads)));
  asm_.mov(eax, dword_ptr(rdx, rax, 2));
}

// Written only where it says something new: the line may be other CPUs' too.
void Emitter::mark_used() {
  const Label already = asm_.newLabel();
  asm_.cmp(field(rax, HashWalk::kMark, 4), 0);
  asm_.jne(already);
  asm_.mov(field(rax, HashWalk::kMark, 4), 1);
  asm_.bind(already);
}

}  // namespace forager::jit::x86_64

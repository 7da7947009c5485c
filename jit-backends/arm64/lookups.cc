// SPDX-License-Identifier: Apache-2.0
//
// Lookups in a map that the verifier knows: by arithmetic, by a walk of a hash table in place, or by a function of the
// map's. r1 to r5 are dead behind a call, so all but what BPF keeps is free here.
#include <bit>
#include <cstddef>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

using exec::HashWalk;

Mem field(const Gp& base, std::size_t offset) { return Mem(base, static_cast<std::int32_t>(offset)); }

}  // namespace

// ---- by a function -------------------------------------------------------------------------------------------------

void Emitter::look_up(const Step& step) {
  asm_.mov(x1, x2);
  call_lookup(step);
}

// The key is at X1.
void Emitter::call_lookup(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  load_symbol(x0, {.kind = Symbol::Kind::lookup_object, .index = map});
  asm_.ldr(x2, cell(offsetof(Cells, cpu)));
  call({.kind = Symbol::Kind::lookup_function, .index = map});
}

// ---- by arithmetic -------------------------------------------------------------------------------------------------

// The value of index i is at base + i * stride.
void Emitter::look_up_index(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  const program::MapSpec& spec = program_.maps()[map];
  const std::uint64_t stride = stride_of(spec);
  if (step.has_imm) {
    return load_symbol(x0, {.kind = Symbol::Kind::lookup_base, .index = map}, step.target * stride);
  }
  const Label none = asm_.newLabel(), done = asm_.newLabel();
  step.index == kNoIndex ? asm_.ldr(w0, ptr(x2)) : asm_.mov(w0, reg(step.index).w());
  if (!step.inside) {
    compare_constant(w0, spec.max_entries);
    go_if(CondCode::kHS, none);
  }
  load_symbol(kScratch, {.kind = Symbol::Kind::lookup_base, .index = map});
  add_multiple(stride);
  if (step.inside) return;
  asm_.bind(done);
  later([=, this] {
    asm_.bind(none);
    asm_.mov(x0, 0);
    asm_.b(done);
  });
}

// r0 = kScratch + r0 * stride.
void Emitter::add_multiple(std::uint64_t stride) {
  if (std::has_single_bit(stride)) {
    asm_.add(x0, kScratch, x0, lsl(static_cast<std::uint32_t>(std::countr_zero(stride))));
  } else {
    asm_.mov(kScratch2, stride);
    asm_.madd(x0, x0, kScratch2, kScratch);
  }
}

// ---- by a walk (exec::HashWalk) ------------------------------------------------------------------------------------

// X12 is the table, X3 and X4 the key's words, X1 its address.
void Emitter::look_up_key(const Step& step) {
  const auto map = static_cast<std::uint32_t>(step.imm);
  const bool marked = program_.maps()[map].type == isa::MapType::lru_hash;
  const std::uint32_t key = marked ? HashWalk::kMarkedKey : HashWalk::kKey;
  const Label walk = asm_.newLabel(), next = asm_.newLabel(), ask = asm_.newLabel(), done = asm_.newLabel();
  load_symbol(x12, {.kind = Symbol::Kind::lookup_walk, .index = map});
  asm_.mov(x1, x2);
  load_from(x3, ptr(x1), step.bytes < 8 ? step.bytes : 8, false);
  if (step.bytes > 8) load_from(x4, ptr(x1, 8), step.bytes - 8U, false);
  find_chain(step.bytes);
  go_if_zero(w0, done);
  asm_.ldp(x9, x10, ptr(x12, offsetof(HashWalk, nodes)));
  asm_.bind(walk);
  asm_.madd(x0, x0, x10, x9);
  asm_.add(x11, x0, static_cast<std::int32_t>(HashWalk::kVersion));
  asm_.ldar(w2, ptr(x11));
  compare_word(x3, key);
  go_if(CondCode::kNE, next);
  if (step.bytes > 8) {
    compare_word(x4, key + 8);
    go_if(CondCode::kNE, next);
  }
  asm_.tst(w2, 1);
  go_if(CondCode::kEQ, ask);
  asm_.ldr(w5, ptr(x11));
  asm_.cmp(w5, w2);
  go_if(CondCode::kNE, ask);
  if (marked) mark_used();
  asm_.ldr(w2, field(x12, offsetof(HashWalk, value_offset)));
  asm_.add(x0, x0, x2);
  asm_.bind(done);
  later([=, this] {
    asm_.bind(next);
    asm_.ldar(w0, ptr(x0));
    asm_.cbnz(w0, walk);
    asm_.bind(ask);
    call_lookup(step);
    asm_.b(done);
  });
}

// Words of a key are read before the version is read again: each load acquires.
void Emitter::compare_word(const Gp& with, std::uint32_t offset) {
  asm_.add(x5, x0, static_cast<std::int32_t>(offset));
  asm_.ldar(x5, ptr(x5));
  asm_.cmp(x5, with);
}

// X0: the number of the chain's first node.
void Emitter::find_chain(unsigned key_bytes) {
  asm_.ldp(x0, x9, ptr(x12, offsetof(HashWalk, first)));
  asm_.eor(x0, x0, x3);
  if (key_bytes > 8) asm_.eor(x9, x9, x4);
  fold(x0, x9);
  asm_.ldp(x9, x10, ptr(x12, offsetof(HashWalk, seed)));
  asm_.eor(x0, x0, x9);
  fold(x0, x10);
  asm_.ldr(w9, field(x12, offsetof(HashWalk, mask)));
  asm_.and_(w0, w0, w9);
  asm_.ldr(x9, field(x12, offsetof(HashWalk, heads)));
  asm_.add(x9, x9, x0, lsl(2));
  asm_.ldar(w0, ptr(x9));
}

// The halves of the product, one xor the other. Uses X11.
void Emitter::fold(const Gp& value, const Gp& by) {
  asm_.umulh(x11, value, by);
  asm_.mul(value, value, by);
  asm_.eor(value, value, x11);
}

// Written only where it says something new: the line may be other CPUs' too.
void Emitter::mark_used() {
  const Label already = asm_.newLabel();
  asm_.ldr(w2, field(x0, HashWalk::kMark));
  go_if_set(w2, already);
  asm_.mov(w2, 1);
  asm_.str(w2, field(x0, HashWalk::kMark));
  asm_.bind(already);
}

}  // namespace forager::jit::arm64

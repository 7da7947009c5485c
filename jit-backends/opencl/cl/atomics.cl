// SPDX-License-Identifier: Apache-2.0
//
// BPF's atomics: of map values, which all work-items share, by the device's. Those that give the old value order all
// memory (RFC 9669 leaves it open, Linux has it so).

#define FG_FENCE() mem_fence(CLK_GLOBAL_MEM_FENCE)
#define FG_ATOMIC(type, bits, prefix)                                                                         \
  static ulong fg_atomic_add##bits(volatile __global type* p, ulong v) { return prefix##_add(p, (type)v); }   \
  static ulong fg_atomic_or##bits(volatile __global type* p, ulong v) { return prefix##_or(p, (type)v); }     \
  static ulong fg_atomic_and##bits(volatile __global type* p, ulong v) { return prefix##_and(p, (type)v); }   \
  static ulong fg_atomic_xor##bits(volatile __global type* p, ulong v) { return prefix##_xor(p, (type)v); }   \
  static ulong fg_atomic_xchg##bits(volatile __global type* p, ulong v) { return prefix##_xchg(p, (type)v); } \
  static ulong fg_atomic_cmpxchg##bits(volatile __global type* p, ulong v, ulong old) {                       \
    return prefix##_cmpxchg(p, (type)old, (type)v);                                                           \
  }
FG_ATOMIC(uint, 32, atomic)
FG_ATOMIC(ulong, 64, atom)

// Of any memory: the stack is the work-item's own, as is a packet, where words need not be aligned.
#define FG_IS_SHARED(at, type) (FG_TAG(at) == 0 && ((at) & (sizeof(type) - 1)) == 0)
#define FG_ATOMIC_ANY(type, bits, name, expr)                                   \
  static ulong fg_##name##bits##_any(fg_run* run, ulong at, ulong v) {          \
    if (FG_IS_SHARED(at, type)) {                                               \
      FG_FENCE();                                                               \
      const ulong was = fg_##name##bits((volatile __global type*)(at), v);      \
      FG_FENCE();                                                               \
      return was;                                                               \
    }                                                                           \
    const type dst = (type)fg_load##bits##_any(run, at), src = (type)v;         \
    fg_store##bits##_any(run, at, expr);                                        \
    return dst;                                                                 \
  }
#define FG_ATOMICS_ANY(type, bits)                                                             \
  FG_ATOMIC_ANY(type, bits, atomic_add, dst + src)                                             \
  FG_ATOMIC_ANY(type, bits, atomic_or, dst | src)                                              \
  FG_ATOMIC_ANY(type, bits, atomic_and, dst & src)                                             \
  FG_ATOMIC_ANY(type, bits, atomic_xor, dst ^ src)                                             \
  FG_ATOMIC_ANY(type, bits, atomic_xchg, src)                                                  \
  static ulong fg_atomic_cmpxchg##bits##_any(fg_run* run, ulong at, ulong v, ulong old) {      \
    if (FG_IS_SHARED(at, type)) {                                                              \
      FG_FENCE();                                                                              \
      const ulong was = fg_atomic_cmpxchg##bits((volatile __global type*)(at), v, old);        \
      FG_FENCE();                                                                              \
      return was;                                                                              \
    }                                                                                          \
    const type was = (type)fg_load##bits##_any(run, at);                                       \
    if (was == (type)old) fg_store##bits##_any(run, at, v);                                    \
    return was;                                                                                \
  }
FG_ATOMICS_ANY(uint, 32)
FG_ATOMICS_ANY(ulong, 64)

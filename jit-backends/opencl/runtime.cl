// SPDX-License-Identifier: Apache-2.0
//
// What generated kernels stand on: memory by pointers, helpers, maps. It comes behind the functions of isa.def and
// before the program, in one source for the driver's compiler; OpenCL C 1.2 and 64-bit atomics are all that it asks.
//
// A pointer of the program's is a number of 64 bits: what it points into above (FG_STACK ...), an offset in that below.
// Arithmetic, comparisons and differences of pointers into one thing work as on addresses; the lower half alone names
// the byte where the verifier's facts name the thing. Null is 0.
//
// Bytes are read and written as vectors of uchar: so no access has to be aligned, and no two of different widths are
// taken for accesses of different memory.
#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable
#pragma OPENCL EXTENSION cl_khr_int64_extended_atomics : enable

#define FG_STACK 1u
#define FG_CONTEXT 2u
#define FG_PACKET 3u
#define FG_VALUE 4u
#define FG_MAP 5u
#define FG_POINTER(tag, offset) ((ulong)(tag) << 32 | (uint)(offset))
#define FG_TAG(pointer) ((uint)((pointer) >> 32))

#define FG_EACCES 13
#define FG_EEXIST 17
#define FG_EINVAL 22
#define FG_ENOENT 2
#define FG_E2BIG 7
#define FG_EFAULT 14
#define FG_ERROR(number) ((ulong)(long)-(number))

// One packet: what the host tells of it, and what it is told. jit-backends/opencl/batch.h has the same.
typedef struct {
  ulong base;  // of the frame, in bytes of all frames
  ulong r0;
  ulong redirect_key, redirect_flags;
  uint meta, data, end, packet_end;  // offsets in the frame
  uint limit, head_limit;
  uint ingress_ifindex, rx_queue_index, egress_ifindex;
  uint trap, trap_at;
  uint redirect, redirect_map;
  uint unused;
} fg_frame;

// What all packets of a batch share.
typedef struct {
  ulong monotonic_ns, boot_ns, tai_ns;
  uint count, lanes, cpu, unused;
} fg_batch;

#define FG_TRAP_BOUNDS 1u
#define FG_REDIRECT_PORT 1u
#define FG_REDIRECT_MAP 2u

// A work-item at work.
typedef struct {
  __global uchar* packet;  // the frame's first byte
  __global uchar* maps;
  __global const fg_batch* batch;
  __private uchar* stack;
  ulong random;
  ulong redirect_key, redirect_flags;
  uint meta, data, end, packet_end, limit, head_limit;
  uint ingress_ifindex, rx_queue_index, egress_ifindex;
  uint lane;
  uint trap, trap_at;
  uint redirect, redirect_map;
} fg_run;

// ---- memory ----

#define FG_ACCESS(space, name)                                                                          \
  static ulong fg_load8_##name(const space uchar* p) { return *p; }                                     \
  static ulong fg_load16_##name(const space uchar* p) { return as_ushort(vload2(0, p)); }               \
  static ulong fg_load32_##name(const space uchar* p) { return as_uint(vload4(0, p)); }                 \
  static ulong fg_load64_##name(const space uchar* p) { return as_ulong(vload8(0, p)); }                \
  static void fg_store8_##name(space uchar* p, ulong value) { *p = (uchar)value; }                      \
  static void fg_store16_##name(space uchar* p, ulong value) { vstore2(as_uchar2((ushort)value), 0, p); } \
  static void fg_store32_##name(space uchar* p, ulong value) { vstore4(as_uchar4((uint)value), 0, p); }   \
  static void fg_store64_##name(space uchar* p, ulong value) { vstore8(as_uchar8(value), 0, p); }
FG_ACCESS(__global, global)
FG_ACCESS(__private, stack)

// By pointers of which the facts say nothing but that they are in bounds.
#define FG_ACCESS_ANY(bits)                                                                              \
  static ulong fg_load##bits##_any(fg_run* run, ulong at) {                                              \
    if (FG_TAG(at) == FG_STACK) return fg_load##bits##_stack(run->stack + (uint)at);                     \
    return fg_load##bits##_global((FG_TAG(at) == FG_PACKET ? run->packet : run->maps) + (uint)at);       \
  }                                                                                                      \
  static void fg_store##bits##_any(fg_run* run, ulong at, ulong value) {                                 \
    if (FG_TAG(at) == FG_STACK) {                                                                        \
      fg_store##bits##_stack(run->stack + (uint)at, value);                                              \
    } else {                                                                                             \
      fg_store##bits##_global((FG_TAG(at) == FG_PACKET ? run->packet : run->maps) + (uint)at, value);    \
    }                                                                                                    \
  }
FG_ACCESS_ANY(8)
FG_ACCESS_ANY(16)
FG_ACCESS_ANY(32)
FG_ACCESS_ANY(64)

// What is not proved (programs of type raw_memory) has to lie in the memory that the program was given, or in its
// stack. False: the program is stopped.
static bool fg_check(fg_run* run, ulong at, uint bytes, uint stack_bytes, uint instruction) {
  const ulong offset = (uint)at;
  const bool inside = FG_TAG(at) == FG_STACK    ? offset + bytes <= stack_bytes
                      : FG_TAG(at) == FG_PACKET ? offset >= run->data && offset + bytes <= run->end
                                                : false;
  if (inside) return true;
  run->trap = FG_TRAP_BOUNDS;
  run->trap_at = instruction;
  return false;
}

// ---- atomics ----

// Of map values, which all work-items share. Those that give the old value order all memory.
#define FG_FENCE() mem_fence(CLK_GLOBAL_MEM_FENCE)
#define FG_ATOMIC(type, bits, prefix)                                                                       \
  static ulong fg_atomic_add##bits(volatile __global type* p, ulong v) { return prefix##_add(p, (type)v); } \
  static ulong fg_atomic_or##bits(volatile __global type* p, ulong v) { return prefix##_or(p, (type)v); }   \
  static ulong fg_atomic_and##bits(volatile __global type* p, ulong v) { return prefix##_and(p, (type)v); } \
  static ulong fg_atomic_xor##bits(volatile __global type* p, ulong v) { return prefix##_xor(p, (type)v); } \
  static ulong fg_atomic_xchg##bits(volatile __global type* p, ulong v) { return prefix##_xchg(p, (type)v); } \
  static ulong fg_atomic_cmpxchg##bits(volatile __global type* p, ulong v, ulong old) {                     \
    return prefix##_cmpxchg(p, (type)old, (type)v);                                                         \
  }
FG_ATOMIC(uint, 32, atomic)
FG_ATOMIC(ulong, 64, atom)

// Of any memory: stack and packet are the work-item's own, and their accesses need no device's atomic.
#define FG_ATOMIC_ANY(type, bits, name, expr)                                            \
  static ulong fg_##name##bits##_any(fg_run* run, ulong at, ulong v) {                   \
    if (FG_TAG(at) == FG_VALUE) {                                                        \
      FG_FENCE();                                                                        \
      const ulong was = fg_##name##bits((volatile __global type*)(run->maps + (uint)at), v); \
      FG_FENCE();                                                                        \
      return was;                                                                        \
    }                                                                                    \
    const type dst = (type)fg_load##bits##_any(run, at), src = (type)v;                  \
    fg_store##bits##_any(run, at, expr);                                                 \
    return dst;                                                                          \
  }
#define FG_ATOMICS_ANY(type, bits)                  \
  FG_ATOMIC_ANY(type, bits, atomic_add, dst + src)  \
  FG_ATOMIC_ANY(type, bits, atomic_or, dst | src)   \
  FG_ATOMIC_ANY(type, bits, atomic_and, dst & src)  \
  FG_ATOMIC_ANY(type, bits, atomic_xor, dst ^ src)  \
  FG_ATOMIC_ANY(type, bits, atomic_xchg, src)       \
  static ulong fg_atomic_cmpxchg##bits##_any(fg_run* run, ulong at, ulong v, ulong old) {                   \
    if (FG_TAG(at) == FG_VALUE) {                                                                           \
      FG_FENCE();                                                                                           \
      const ulong was = fg_atomic_cmpxchg##bits((volatile __global type*)(run->maps + (uint)at), v, old);   \
      FG_FENCE();                                                                                           \
      return was;                                                                                           \
    }                                                                                                       \
    const type was = (type)fg_load##bits##_any(run, at);                                                    \
    if (was == (type)old) fg_store##bits##_any(run, at, v);                                                 \
    return was;                                                                                             \
  }
FG_ATOMICS_ANY(uint, 32)
FG_ATOMICS_ANY(ulong, 64)

// ---- the packet ----

#define FG_ETHERNET_HEADER 14
#define FG_MOST_METADATA 255
#define FG_FRAME_BYTES 4096u

static ulong fg_adjust_head(fg_run* run, int delta) {
  const long metadata = (long)run->data - run->meta, data = (long)run->data + delta;
  if (data < run->head_limit + metadata || data > (long)run->end - FG_ETHERNET_HEADER) return FG_ERROR(FG_EINVAL);
  __global uchar* from = run->packet + run->meta;
  for (long i = 0; i < metadata; ++i) {
    const long at = delta < 0 ? i : metadata - 1 - i;
    from[at + delta] = from[at];
  }
  run->data = (uint)data;
  run->meta = (uint)(data - metadata);
  return 0;
}

static ulong fg_adjust_tail(fg_run* run, int delta) {
  const bool fragments = run->end != run->packet_end;
  const long end = (long)run->packet_end + delta;
  if (end < (long)run->data + FG_ETHERNET_HEADER) return FG_ERROR(FG_EINVAL);
  if (fragments) {
    const uint used = (run->packet_end - run->end) % FG_FRAME_BYTES;
    if (delta > (used == 0 ? 0 : (int)(FG_FRAME_BYTES - used))) return FG_ERROR(FG_EINVAL);
  } else if (end > run->limit) {
    return FG_ERROR(FG_EINVAL);
  }
  for (int i = 0; i < delta; ++i) run->packet[run->packet_end + i] = 0;
  run->packet_end = (uint)end;
  run->end = fragments ? min(run->end, run->packet_end) : run->packet_end;
  return 0;
}

static ulong fg_adjust_meta(fg_run* run, int delta) {
  const long meta = (long)run->meta + delta, length = (long)run->data - meta;
  if (meta < run->head_limit || length < 0) return FG_ERROR(FG_EINVAL);
  if (length % 4 != 0 || length > FG_MOST_METADATA) return FG_ERROR(FG_EACCES);
  run->meta = (uint)meta;
  return 0;
}

static ulong fg_packet_bytes(fg_run* run, uint offset, uint size) {
  if (offset > 0xffff || size > 0xffff) return FG_ERROR(FG_EFAULT);
  return offset + size > run->packet_end - run->data ? FG_ERROR(FG_EINVAL) : 0;
}

static ulong fg_load_bytes(fg_run* run, uint offset, ulong to, uint size) {
  const ulong error = fg_packet_bytes(run, offset, size);
  if (error != 0) return error;
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, run->packet[run->data + offset + i]);
  return 0;
}

static ulong fg_store_bytes(fg_run* run, uint offset, ulong from, uint size) {
  const ulong error = fg_packet_bytes(run, offset, size);
  if (error != 0) return error;
  for (uint i = 0; i < size; ++i) run->packet[run->data + offset + i] = (uchar)fg_load8_any(run, from + i);
  return 0;
}

// ---- redirects: the host carries out the last one ----

#define FG_XDP_ABORTED 0
#define FG_XDP_REDIRECT 4

static ulong fg_redirect(fg_run* run, uint ifindex, ulong flags) {
  if (flags != 0) return FG_XDP_ABORTED;
  run->redirect = FG_REDIRECT_PORT;
  run->redirect_key = ifindex;
  return FG_XDP_REDIRECT;
}

// `known`: flags that maps of the type take besides the verdict for keys that lead nowhere.
static ulong fg_redirect_map(fg_run* run, uint map, bool present, uint key, ulong flags, ulong known) {
  if ((flags & ~(3ul | known)) != 0) return FG_XDP_ABORTED;
  if (!present && (flags & known & 8) == 0) {
    run->redirect = 0;
    return flags & 3;
  }
  run->redirect = FG_REDIRECT_MAP;
  run->redirect_map = map;
  run->redirect_key = key;
  run->redirect_flags = flags;
  return FG_XDP_REDIRECT;
}

// ---- numbers ----

static ulong fg_random(fg_run* run) {
  run->random += 0x9e3779b97f4a7c15ul;
  ulong mixed = (run->random ^ run->random >> 30) * 0xbf58476d1ce4e5b9ul;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebul;
  return (uint)(mixed ^ mixed >> 31);
}

static uint fg_csum_partial(fg_run* run, ulong at, uint size, uint start) {
  ulong sum = start;
  uint i = 0;
  for (; i + 4 <= size; i += 4) sum += fg_load32_any(run, at + i);
  uint last = 0;
  for (uint shift = 0; i < size; ++i, shift += 8) last |= (uint)fg_load8_any(run, at + i) << shift;
  sum += last;
  sum = (sum & 0xfffffffful) + (sum >> 32);
  return (uint)(sum + (sum >> 32));
}

static ulong fg_fold(uint sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (ushort)((sum & 0xffff) + (sum >> 16));
}

static ulong fg_csum_diff(fg_run* run, ulong from, uint from_size, ulong to, uint to_size, uint seed) {
  if (from_size == 0) return fg_fold(fg_csum_partial(run, to, to_size, seed));
  if (to_size == 0) return fg_fold(~fg_csum_partial(run, from, from_size, ~seed));
  const ulong sum = (ulong)fg_csum_partial(run, to, to_size, seed) + (uint)~fg_csum_partial(run, from, from_size, 0);
  return fg_fold((uint)(sum + (sum >> 32)));
}

// ---- maps ----

#define FG_NOEXIST 1
#define FG_EXIST 2

static void fg_copy_value(fg_run* run, __global uchar* to, ulong from, uint size) {
  uint i = 0;
  for (; i + 8 <= size; i += 8) fg_store64_global(to + i, fg_load64_any(run, from + i));
  for (; i < size; ++i) to[i] = (uchar)fg_load8_any(run, from + i);
}

// ARRAY, PERCPU_ARRAY: values of `size` bytes, `stride` apart.
static ulong fg_array_lookup(uint table, uint size, uint stride, uint entries, uint index) {
  return index < entries ? FG_POINTER(FG_VALUE, table + index * stride) : 0;
}

static ulong fg_array_update(fg_run* run, uint table, uint size, uint stride, uint entries, ulong key, ulong value,
                             ulong flags) {
  const uint index = (uint)fg_load32_any(run, key);
  if (flags > FG_EXIST) return FG_ERROR(FG_EINVAL);
  if (index >= entries) return FG_ERROR(FG_E2BIG);
  if (flags == FG_NOEXIST) return FG_ERROR(FG_EEXIST);
  fg_copy_value(run, run->maps + table + index * stride, value, size);
  return 0;
}

// HASH: a header of 16 bytes (entries in use, free nodes), slots of 32 bits by hash, the free nodes' numbers, a
// word for each node (1: its key was inserted here), and nodes: the key in whole words of 64 bits, then the value. A slot has a node's number from 1, 0 where it was never
// used, or FG_DEAD. Only one work-item changes tables.
#define FG_DEAD 0xffffffffu
#define FG_NONE 0xffffffffu
#define FG_HASH uint table, uint key_size, uint value_size, uint entries, uint mask
#define FG_HASH_ARGUMENTS table, key_size, value_size, entries, mask
#define FG_SLOT(number) (run->maps + table + 16 + 4 * (number))
#define FG_WORDS(bytes) (((bytes) + 7u) & ~7u)
#define FG_FREE(number) (FG_SLOT(mask + 1) + 4 * (number))
#define FG_FRESH(node) (FG_FREE(entries + 1) + 4 * ((node) - 1))

static uint fg_node_at(uint table, uint key_size, uint value_size, uint entries, uint mask, uint node) {
  const uint nodes = FG_WORDS(16 + 4 * (mask + 1) + 8 * (entries + 1));
  return table + nodes + (node - 1) * (FG_WORDS(key_size) + FG_WORDS(value_size));
}

static ulong fg_key_word(fg_run* run, ulong key, uint key_size, uint at) {
  if (at + 8 <= key_size) return fg_load64_any(run, key + at);
  ulong word = 0;
  for (uint i = 0; at + i < key_size; ++i) word |= fg_load8_any(run, key + at + i) << (8 * i);
  return word;
}

static uint fg_hash_of(fg_run* run, ulong key, uint key_size) {
  ulong hash = 0x2545f4914f6cdd1dul;
  for (uint at = 0; at < key_size; at += 8) {
    hash = (hash ^ fg_key_word(run, key, key_size, at)) * 0x9e3779b97f4a7c15ul;
    hash ^= hash >> 32;
  }
  return (uint)hash;
}

static bool fg_same_key(fg_run* run, __global uchar* node, ulong key, uint key_size) {
  for (uint at = 0; at < key_size; at += 8) {
    if (fg_load64_global(node + at) != fg_key_word(run, key, key_size, at)) return false;
  }
  return true;
}

// The number of the slot that has the key, or FG_NONE. `place`: where it could go, FG_NONE if there is none.
static uint fg_hash_find(fg_run* run, FG_HASH, ulong key, uint* place) {
  const uint hash = fg_hash_of(run, key, key_size);
  *place = FG_NONE;
  for (uint i = 0; i <= mask; ++i) {
    const uint number = (hash + i) & mask, node = (uint)fg_load32_global(FG_SLOT(number));
    if (node == FG_DEAD || node == 0) {
      if (*place == FG_NONE) *place = number;
      if (node == 0) return FG_NONE;
      continue;
    }
    if (fg_same_key(run, run->maps + fg_node_at(FG_HASH_ARGUMENTS, node), key, key_size)) return number;
  }
  return FG_NONE;
}

static ulong fg_hash_lookup(fg_run* run, FG_HASH, ulong key) {
  uint place;
  const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &place);
  if (number == FG_NONE) return 0;
  const uint node = (uint)fg_load32_global(FG_SLOT(number));
  return FG_POINTER(FG_VALUE, fg_node_at(FG_HASH_ARGUMENTS, node) + FG_WORDS(key_size));
}

static uint fg_hash_take(fg_run* run, FG_HASH) {
  const uint left = (uint)fg_load32_global(run->maps + table + 4) - 1;
  fg_store32_global(run->maps + table + 4, left);
  return (uint)fg_load32_global(FG_FREE(left));
}

static void fg_hash_give(fg_run* run, FG_HASH, uint node) {
  const uint left = (uint)fg_load32_global(run->maps + table + 4);
  fg_store32_global(FG_FREE(left), node);
  fg_store32_global(run->maps + table + 4, left + 1);
}

// An entry that is there is replaced, so that pointers to the old value see no other, or, of a per-CPU map, overwritten
// in place. There is one node more than entries.
static ulong fg_hash_update(fg_run* run, FG_HASH, ulong key, ulong value, ulong flags, bool in_place) {
  uint place;
  const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &place);
  const bool present = number != FG_NONE;
  if (flags > FG_EXIST) return FG_ERROR(FG_EINVAL);
  if (present && flags == FG_NOEXIST) return FG_ERROR(FG_EEXIST);
  if (!present && flags == FG_EXIST) return FG_ERROR(FG_ENOENT);
  if (present && in_place) {
    const uint there = fg_node_at(FG_HASH_ARGUMENTS, (uint)fg_load32_global(FG_SLOT(number)));
    fg_copy_value(run, run->maps + there + FG_WORDS(key_size), value, value_size);
    return 0;
  }
  const uint used = (uint)fg_load32_global(run->maps + table);
  if (!present && used >= entries) return FG_ERROR(FG_E2BIG);
  const uint node = fg_hash_take(run, FG_HASH_ARGUMENTS);
  __global uchar* const to = run->maps + fg_node_at(FG_HASH_ARGUMENTS, node);
  for (uint at = 0; at < key_size; at += 8) fg_store64_global(to + at, fg_key_word(run, key, key_size, at));
  fg_copy_value(run, to + FG_WORDS(key_size), value, value_size);
  if (present) {
    fg_hash_give(run, FG_HASH_ARGUMENTS, (uint)fg_load32_global(FG_SLOT(number)));
    fg_store32_global(FG_SLOT(number), node);
  } else {
    fg_store32_global(FG_SLOT(place), node);
    fg_store32_global(FG_FRESH(node), 1);
    fg_store32_global(run->maps + table, used + 1);
  }
  return 0;
}

static ulong fg_hash_delete(fg_run* run, FG_HASH, ulong key) {
  uint place;
  const uint number = fg_hash_find(run, FG_HASH_ARGUMENTS, key, &place);
  if (number == FG_NONE) return FG_ERROR(FG_ENOENT);
  fg_hash_give(run, FG_HASH_ARGUMENTS, (uint)fg_load32_global(FG_SLOT(number)));
  fg_store32_global(FG_SLOT(number), FG_DEAD);
  fg_store32_global(run->maps + table, (uint)fg_load32_global(run->maps + table) - 1);
  return 0;
}

// Maps for redirects: which keys lead somewhere. By index, a word each; by key, their number and then the keys, sorted.
static bool fg_port_at(fg_run* run, uint table, uint entries, uint key) {
  return key < entries && fg_load32_global(run->maps + table + 4 * key) != 0;
}

static bool fg_port_of(fg_run* run, uint table, uint entries, uint key) {
  uint low = 0, high = (uint)fg_load32_global(run->maps + table);
  while (low < high) {
    const uint middle = low + (high - low) / 2, there = (uint)fg_load32_global(run->maps + table + 4 + 4 * middle);
    if (there == key) return true;
    if (there < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

// ---- the beginning and the end of a packet ----

static void fg_begin(fg_run* run, __global uchar* packets, __global const fg_frame* frame) {
  run->packet = packets + frame->base;
  run->meta = frame->meta;
  run->data = frame->data;
  run->end = frame->end;
  run->packet_end = frame->packet_end;
  run->limit = frame->limit;
  run->head_limit = frame->head_limit;
  run->ingress_ifindex = frame->ingress_ifindex;
  run->rx_queue_index = frame->rx_queue_index;
  run->egress_ifindex = frame->egress_ifindex;
  run->trap = run->trap_at = run->redirect = run->redirect_map = 0;
  run->redirect_key = run->redirect_flags = 0;
}

static void fg_end(fg_run* run, __global fg_frame* frame, ulong r0) {
  frame->r0 = r0;
  frame->meta = run->meta;
  frame->data = run->data;
  frame->end = run->end;
  frame->packet_end = run->packet_end;
  frame->trap = run->trap;
  frame->trap_at = run->trap_at;
  frame->redirect = run->redirect;
  frame->redirect_map = run->redirect_map;
  frame->redirect_key = run->redirect_key;
  frame->redirect_flags = run->redirect_flags;
}

// ---- the program ----


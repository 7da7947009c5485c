// SPDX-License-Identifier: Apache-2.0
//
// What generated kernels stand on: pointers, memory, and what a work-item knows. The files of this folder come behind
// the functions of isa.def and before the program, in one source for the driver's compiler; OpenCL C 1.2 and 64-bit
// atomics are all that they ask.
//
// A pointer of the program's is a number of 64 bits. Packets, map values and maps are where the device has them: the
// number is the address. The four bits above say what else there is: the work-item's stack (an offset in it), or the
// context. Arithmetic, comparisons and differences of pointers into one thing work as on addresses. Null is 0.
//
// Words are read and written as members of packed unions with bytes: so no access has to be aligned, and no two of
// different widths are taken for accesses of different memory.
#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable
#pragma OPENCL EXTENSION cl_khr_int64_extended_atomics : enable

#define FG_STACK 1u
#define FG_CONTEXT 2u
#define FG_POINTER(tag, offset) (((ulong)(tag) << 60) + (offset))
#define FG_TAG(pointer) ((uint)((pointer) >> 60))
#define FG_GLOBAL(pointer) ((__global uchar*)(pointer))

#define FG_ENOENT 2
#define FG_E2BIG 7
#define FG_EAGAIN 11
#define FG_ENOMEM 12
#define FG_EACCES 13
#define FG_EFAULT 14
#define FG_EEXIST 17
#define FG_EINVAL 22
#define FG_ENOSPC 28
#define FG_EBADMSG 74
#define FG_EOPNOTSUPP 95
#define FG_ERROR(number) ((ulong)(long)-(number))

// One packet: what the host tells of it, and what it is told. jit-backends/opencl/batch.h has the same.
typedef struct {
  ulong base;  // of the frame: its address, or an offset in all frames
  ulong r0;
  uint meta, data, end, packet_end;  // offsets in the frame
  uint limit;
  uint ingress_ifindex, rx_queue_index, egress_ifindex;
  uint redirect_key;
  uint trap_at;
  ushort redirect_map, head_limit;
  uchar redirect, redirect_flags, trap;
  uchar unused;
} fg_frame;

// What all packets of a launch share, and where (packets.cl).
typedef struct {
  ulong monotonic_ns, boot_ns, tai_ns;
  ulong frames, done, order, begins, packets, places, descriptors, random, control;
  uint count, lanes, cpu;
  uint place_stride;  // from the places of one lane's maps to those of the next one's
  uint strict;        // packets have their effects in their order
  uint port_count;
  uint skb_bytes;    // from one packet's __sk_buff to the next
  uint trace_bytes;  // from one lane's log to the next one's
  ulong skbs, ports;  // of programs that see a __sk_buff (skb.cl)
  ulong trace, fib;   // in the maps' memory: logs (trace.cl), routing tables (fib.cl)
} fg_batch;

// What packets tell the host before the launch is over.
typedef struct {
  uint stop;  // no packet begins any more: the host has to see to a map
  uint unused;
} fg_control;

#define FG_DONE 1        // the verdict and edges are told
#define FG_DONE_MORE 2   // the record is
#define FG_TRAP_BOUNDS 1u
#define FG_TRAP_MAP 2u
#define FG_TRAP_ROOM 3u
#define FG_TRAP_FORMAT 4u
#define FG_TRAP_LINES 5u
#define FG_REDIRECT_PORT 1u
#define FG_REDIRECT_MAP 2u
#define FG_REDIRECT_PEER 3u
#define FG_REDIRECT_NEIGH 4u
// Where a key of a map leads: nowhere (0), where only the host can tell, or to the number above these two bits.
#define FG_TARGET_OF_HOST 1u
#define FG_TARGET_KNOWN 2u
#define FG_TARGET_SHIFT 2
#define FG_TARGET_MOST 0x3fffffffu

// The nodes that a packet took out of a table (hash.cl): they stay what they are until it is through.
typedef struct {
  uint first, last, count;
} fg_retired;

// A work-item at work.
typedef struct {
  ulong packet;  // the frame's first byte
  ulong maps;    // what places count from
  ulong packets;  // what offsets in the packets' buffer count from
  ulong skb;      // skb.cl
  __global const uint* ports;
  __global const ulong* places;  // of each map's table
  ulong descriptors;             // of maps (inner.cl)
  __global const fg_batch* batch;
  volatile __global fg_control* control;
  fg_retired* retired;  // by map
  __private uchar* stack;
  ulong random;
  uint meta, data, end, packet_end, limit, head_limit;
  uint ingress_ifindex, rx_queue_index, egress_ifindex;
  uint lane;
  uint trap, trap_at;
  uint redirect, redirect_map, redirect_key, redirect_flags;
  uint target, target_type;  // of the redirect; the map's type
  uint tail, tail_calls;  // the program that is next, from 1; how many were
} fg_run;

// Where a map's table begins.
#define FG_PLACE(map) (run->maps + run->places[map])

typedef union __attribute__((packed)) { ushort value; uchar bytes[2]; } fg_bytes16;
typedef union __attribute__((packed)) { uint value; uchar bytes[4]; } fg_bytes32;
typedef union __attribute__((packed)) { ulong value; uchar bytes[8]; } fg_bytes64;

#define FG_ACCESS_BITS(space, name, bits)                                                                        \
  static ulong fg_load##bits##_##name(const space uchar* p) { return ((const space fg_bytes##bits*)p)->value; } \
  static void fg_store##bits##_##name(space uchar* p, ulong value) { ((space fg_bytes##bits*)p)->value = value; }
#define FG_ACCESS(space, name)                                                     \
  static ulong fg_load8_##name(const space uchar* p) { return *p; }                \
  static void fg_store8_##name(space uchar* p, ulong value) { *p = (uchar)value; } \
  FG_ACCESS_BITS(space, name, 16)                                                  \
  FG_ACCESS_BITS(space, name, 32)                                                  \
  FG_ACCESS_BITS(space, name, 64)
FG_ACCESS(__global, global)
FG_ACCESS(__private, stack)

// By pointers of which the facts say nothing but that they are in bounds: the stack's, or others.
#define FG_ACCESS_ANY(bits)                                                              \
  static ulong fg_load##bits##_any(fg_run* run, ulong at) {                              \
    if (FG_TAG(at) == FG_STACK) return fg_load##bits##_stack(run->stack + (uint)at);     \
    return fg_load##bits##_global(FG_GLOBAL(at));                                        \
  }                                                                                      \
  static void fg_store##bits##_any(fg_run* run, ulong at, ulong value) {                 \
    if (FG_TAG(at) == FG_STACK) {                                                        \
      fg_store##bits##_stack(run->stack + (uint)at, value);                              \
    } else {                                                                             \
      fg_store##bits##_global(FG_GLOBAL(at), value);                                     \
    }                                                                                    \
  }
FG_ACCESS_ANY(8)
FG_ACCESS_ANY(16)
FG_ACCESS_ANY(32)
FG_ACCESS_ANY(64)

static void fg_copy_in(fg_run* run, __global uchar* to, ulong from, uint size) {
  uint i = 0;
  for (; i + 8 <= size; i += 8) fg_store64_global(to + i, fg_load64_any(run, from + i));
  for (; i < size; ++i) to[i] = (uchar)fg_load8_any(run, from + i);
}

// What is not proved (programs of type raw_memory) has to lie in the memory that the program was given, or in its
// stack. False: the program is stopped.
static bool fg_check(fg_run* run, ulong at, uint bytes, uint stack_bytes, uint instruction) {
  const ulong packet = at - (run->packet + run->data), stack = at - FG_POINTER(FG_STACK, 0);
  const uint length = run->end - run->data;
  if (stack <= stack_bytes - bytes || (bytes <= length && packet <= length - bytes)) return true;
  run->trap = FG_TRAP_BOUNDS;
  run->trap_at = instruction;
  return false;
}

// Once all packets that run are through, the host looks after the maps, and the others run then.
static void fg_stop(fg_run* run) { atomic_or(&run->control->stop, 1u); }

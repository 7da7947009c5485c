// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF and PERF_EVENT_ARRAY: logs of records, which the host gets once packets are through and puts where readers
// see them. jit-backends/opencl/mirror_rings.cc reads them.
//
// A RINGBUF's log is as large as the ring, and has as much room as the ring had: so a record finds none where it would
// have found none there. Work-items take their room by a compare-and-exchange; records stand in that order. Once half
// of the room is used packets stop, so that whoever reads the ring can go on.
//
// The header, of 8 bytes each: bytes used, records that found no room, bytes of room, the consumer's and the producer's
// position, where the ring's own bytes are (0: they stand in the log already). A record begins with the bytes that the
// ring had in its place, as the kernel's does. A record is as the kernel's: its length and two bits (4), what bpf_ringbuf_submit() was told (4), the
// bytes.

#define FG_RING ulong table, uint size
#define FG_RING_USED ((fg_long*)table)
#define FG_RING_LOST ((fg_long*)(table + 8))
#define FG_RING_ROOM fg_load64_global(FG_GLOBAL(table + 16))
#define FG_RING_CONSUMER fg_load64_global(FG_GLOBAL(table + 24))
#define FG_RING_PRODUCER fg_load64_global(FG_GLOBAL(table + 32))
#define FG_RING_OLD fg_load64_global(FG_GLOBAL(table + 40))
#define FG_RING_LOG_AT 64u
#define FG_RING_MOST 0x3ffffffful  // bytes of a record
#define FG_RING_BUSY 0x80000000u
#define FG_RING_DISCARD 0x40000000u
#define FG_RING_FLAGS 3ul  // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP

static void fg_ring_close(ulong record, ulong flags, uint discard) {
  const uint length = (uint)fg_load32_global(FG_GLOBAL(record - 8)) & ~FG_RING_BUSY;
  fg_store32_global(FG_GLOBAL(record - 8), length | discard);
  fg_store32_global(FG_GLOBAL(record - 4), flags & FG_RING_FLAGS);
}

// Where `bytes` of the log begin that are the caller's now, or the log's size if there is no room.
static ulong fg_ring_take(FG_RING, ulong bytes, ulong room) {
  ulong used = *FG_RING_USED, then;  // races: an exchange decides
  do {
    then = used;
    if (bytes >= size || then + bytes > room) return size;
    used = atom_cmpxchg(FG_RING_USED, then, then + bytes);
  } while (used != then);
  return used;
}

static void fg_ring_begin(FG_RING, ulong at, ulong bytes) {
  const ulong old = FG_RING_OLD, first = FG_RING_PRODUCER + at;
  for (ulong i = 0; i < bytes && old != 0; i += 8) {
    const ulong word = fg_load64_global(FG_GLOBAL(old + ((first + i) & (size - 1ul))));
    fg_store64_global(FG_GLOBAL(table + FG_RING_LOG_AT + at + i), word);
  }
}

static ulong fg_ring_reserve(fg_run* run, FG_RING, ulong length, ulong flags) {
  if (flags != 0) return 0;
  const ulong bytes = length > FG_RING_MOST ? size : (length + 15) & ~7ul, room = FG_RING_ROOM;
  const ulong at = fg_ring_take(table, size, bytes, room);
  if (at == size) {
    atom_inc(FG_RING_LOST);
    return 0;
  }
  const ulong record = table + FG_RING_LOG_AT + at;
  fg_ring_begin(table, size, at, bytes);
  fg_store32_global(FG_GLOBAL(record), length | FG_RING_BUSY);
  if (at < room / 2 && at + bytes >= room / 2) fg_stop(run);
  return record + 8;
}

static ulong fg_ring_output(fg_run* run, FG_RING, ulong from, ulong length, ulong flags) {
  if ((flags & ~FG_RING_FLAGS) != 0) return FG_ERROR(FG_EINVAL);
  const ulong record = fg_ring_reserve(run, table, size, length, 0);
  if (record == 0) return FG_ERROR(FG_EAGAIN);
  fg_copy_in(run, FG_GLOBAL(record), from, (uint)length);
  fg_ring_close(record, flags, 0);
  return 0;
}

static ulong fg_ring_query(FG_RING, ulong what) {
  const ulong used = *FG_RING_USED;  // races: it tells of some moment
  const ulong consumer = FG_RING_CONSUMER, producer = FG_RING_PRODUCER + used;
  switch (what) {
    case 0: return producer - consumer;  // BPF_RB_AVAIL_DATA
    case 1: return size;                 // BPF_RB_RING_SIZE
    case 2: return consumer;             // BPF_RB_CONS_POS
    case 3: return producer;             // BPF_RB_PROD_POS
    default: return 0;
  }
}

// ---- PERF_EVENT_ARRAY: each lane, which is a CPU, has a log of its own ----
//
// The header: bytes used (8). Then, for each index, whether there is a buffer (4), and how many samples for it found no
// room (4); then the log. A sample is its index (4), its length (4), and the bytes.

#define FG_PERF ulong table, uint entries
#define FG_PERF_LOG_AT (64 + 8ul * entries)
#define FG_PERF_LOG_BYTES 0x80000ul
#define FG_PERF_MOST 65516ul  // bytes of a sample that the 16 bits of its length can say
#define FG_PERF_CURRENT_CPU 0xffffffffu

static ulong fg_perf_lose(ulong buffer) {
  fg_store32_global(FG_GLOBAL(buffer + 4), fg_load32_global(FG_GLOBAL(buffer + 4)) + 1);
  return FG_ERROR(FG_ENOSPC);
}

static ulong fg_perf_output(fg_run* run, FG_PERF, ulong flags, ulong from, ulong size) {
  const ulong more = flags >> 32;  // bytes of the packet
  if (more > 0xfffff) return FG_ERROR(FG_EINVAL);
  if (more > run->packet_end - run->data) return FG_ERROR(FG_EFAULT);
  const uint index = (uint)flags == FG_PERF_CURRENT_CPU ? run->batch->cpu + run->lane : (uint)flags;
  if (index >= entries) return FG_ERROR(FG_E2BIG);
  const ulong buffer = table + 64 + 8ul * index;
  if (fg_load32_global(FG_GLOBAL(buffer)) == 0) return FG_ERROR(FG_ENOENT);
  const ulong used = fg_load64_global(FG_GLOBAL(table)), bytes = 8 + FG_WORDS((uint)size + more);
  if (size + more > FG_PERF_MOST || used + bytes > FG_PERF_LOG_BYTES) return fg_perf_lose(buffer);
  const ulong sample = table + FG_PERF_LOG_AT + used, rest = sample + 8 + size;
  fg_store32_global(FG_GLOBAL(sample), index);
  fg_store32_global(FG_GLOBAL(sample + 4), size + more);
  fg_copy_in(run, FG_GLOBAL(sample + 8), from, (uint)size);
  for (ulong i = 0; i < more; ++i) *FG_GLOBAL(rest + i) = FG_GLOBAL(run->packet)[run->data + i];
  fg_store64_global(FG_GLOBAL(table), used + bytes);
  if (used + bytes > FG_PERF_LOG_BYTES / 2) fg_stop(run);
  return 0;
}

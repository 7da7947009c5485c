// SPDX-License-Identifier: Apache-2.0
//
// The beginning and the end of a launch, and of a packet. A lane is a work-item; it takes the packets that the host
// gave it, one after the other.

// Where all is.
typedef struct {
  __global const fg_batch* batch;
  __global fg_frame* frames;
  __global const ulong* places;
  __global ulong* random;
  __global const uint* order;   // packets by lane; null: as they come
  __global const uint* begins;  // where each lane's are
  volatile __global fg_control* control;
  __global uchar* done;  // by packet: nothing, or FG_DONE ...
  ulong packets, maps, descriptors, skbs, ports;
} fg_space;

// What the launch's batch says where, it says by the host's addresses, or by offsets in the kernel's arguments.
#if FG_SHARED
#define FG_ARGUMENTS ulong launch
#define FG_OPEN fg_open(launch, 0, 0, 0, 0)
#else
#define FG_ARGUMENTS __global uchar *launch, __global uchar *state, __global uchar *packets, __global uchar *maps
#define FG_OPEN fg_open((ulong)launch, (ulong)launch, (ulong)state, (ulong)packets, (ulong)maps)
#endif

static fg_space fg_open(ulong at, ulong launch, ulong state, ulong packets, ulong maps) {
  fg_space space;
  space.batch = (__global const fg_batch*)at;
  space.frames = (__global fg_frame*)(launch + space.batch->frames);
  space.order = space.batch->order == 0 ? 0 : (__global const uint*)(launch + space.batch->order);
  space.begins = (__global const uint*)(launch + space.batch->begins);
  space.places = (__global const ulong*)(state + space.batch->places);
  space.descriptors = state + space.batch->descriptors;
  space.random = (__global ulong*)(state + space.batch->random);
  space.control = (volatile __global fg_control*)(state + space.batch->control);
  space.done = (__global uchar*)(launch + space.batch->done);
  space.packets = packets + space.batch->packets;
  space.skbs = launch + space.batch->skbs;
  space.ports = launch + space.batch->ports;
  space.maps = maps;
  return space;
}

static void fg_begin_results(fg_run* run) {
  run->trap = run->trap_at = run->redirect = run->redirect_map = 0;
  run->redirect_key = run->redirect_flags = 0;
  run->target = run->target_type = 0;
  run->tail = run->tail_calls = 0;
}

static void fg_open_lane(fg_run* run, const fg_space* space, uint lane, __private uchar* stack, fg_retired* retired,
                         uint maps) {
  run->maps = space->maps;
  run->packets = space->packets;
  run->ports = (__global const uint*)space->ports;
  run->places = space->places + lane * space->batch->place_stride;
  run->descriptors = space->descriptors;
  run->batch = space->batch;
  run->control = space->control;
  run->stack = stack;
  run->retired = retired;
  for (uint i = 0; i < maps; ++i) retired[i].first = retired[i].last = retired[i].count = 0;
  run->random = space->random[lane];
  run->lane = lane;
}

// A frame as the host has it, where its memory is shared and its parts are known (host/exec/frame_layout.h): nothing is
// copied, and its record is written only where there is more to tell than a verdict and edges.
#if FG_DIRECT
#define FG_FRAME(space, number) ((space)->packets + (ulong)(number) * FG_FRAME_SIZE)

static ulong fg_word_of(ulong frame, uint part) { return fg_load32_global(FG_GLOBAL(frame) + part); }

static void fg_begin(fg_run* run, const fg_space* space, uint number) {
  const ulong frame = FG_FRAME(space, number);
  run->packet = fg_load64_global(FG_GLOBAL(frame) + FG_FRAME_BUFFER);
  run->meta = fg_word_of(frame, FG_FRAME_META);
  run->data = fg_word_of(frame, FG_FRAME_DATA);
  run->end = fg_word_of(frame, FG_FRAME_END);
  run->packet_end = fg_word_of(frame, FG_FRAME_PACKET_END);
  run->limit = (uint)(fg_load64_global(FG_GLOBAL(frame) + FG_FRAME_BUFFER + 8) - run->packet) -
               fg_word_of(frame, FG_FRAME_RESERVE);
  run->head_limit = fg_word_of(frame, FG_FRAME_HEAD_LIMIT);
  run->ingress_ifindex = fg_word_of(frame, FG_FRAME_CONTEXT + 12);
  run->rx_queue_index = fg_word_of(frame, FG_FRAME_CONTEXT + 16);
  run->egress_ifindex = fg_word_of(frame, FG_FRAME_CONTEXT + 20);
  fg_begin_results(run);
}
#else
static void fg_begin(fg_run* run, const fg_space* space, uint number) {
  __global const fg_frame* const frame = &space->frames[number];
  run->packet = space->packets + frame->base;
  run->skb = space->skbs + (ulong)space->batch->skb_bytes * number;
  run->meta = frame->meta;
  run->data = frame->data;
  run->end = frame->end;
  run->packet_end = frame->packet_end;
  run->limit = frame->limit;
  run->head_limit = frame->head_limit;
  run->ingress_ifindex = frame->ingress_ifindex;
  run->rx_queue_index = frame->rx_queue_index;
  run->egress_ifindex = frame->egress_ifindex;
  fg_begin_results(run);
}
#endif

static void fg_tell(const fg_run* run, __global fg_frame* frame, ulong r0) {
  frame->r0 = r0;
  frame->meta = run->meta;
  frame->data = run->data;
  frame->end = run->end;
  frame->packet_end = run->packet_end;
  frame->trap = (uchar)run->trap;
  frame->trap_at = run->trap_at;
  frame->redirect = (uchar)run->redirect;
  frame->redirect_map = (ushort)run->redirect_map;
  frame->redirect_key = run->redirect_key;
  frame->redirect_flags = (uchar)run->redirect_flags;
}

#if FG_DIRECT
// What a frame's results are, besides none and anything.
#define FG_ONLY_NUMBERS 2u

// A redirect to a port, or what else has a number, stands in the frame as the host's helpers leave it there. False: the
// host has to see to it.
static bool fg_leave_redirect(const fg_run* run, ulong frame) {
  const uint results = fg_word_of(frame, FG_FRAME_RESULTS);
  const bool none = run->redirect == 0;
  if (results == 0 && none) return true;
  if ((results & ~FG_ONLY_NUMBERS) != 0 || (!none && (run->target & FG_TARGET_KNOWN) == 0)) return false;
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_REDIRECT_PORT, none ? 0 : run->target >> FG_TARGET_SHIFT);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_REDIRECT_TYPE, none ? 0 : run->target_type);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_RESULTS, none ? 0 : FG_ONLY_NUMBERS);
  return true;
}

static void fg_end(const fg_run* run, const fg_space* space, uint number, ulong r0) {
  const ulong frame = FG_FRAME(space, number);
  fg_store64_global(FG_GLOBAL(frame) + FG_FRAME_RETURN, r0);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_META, run->meta);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_DATA, run->data);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_END, run->end);
  fg_store32_global(FG_GLOBAL(frame) + FG_FRAME_PACKET_END, run->packet_end);
  const bool more = run->trap != 0 || !fg_leave_redirect(run, frame);
  if (more) fg_tell(run, &space->frames[number], r0);
  space->done[number] = more ? FG_DONE_MORE : FG_DONE;
}
#else
static void fg_end(const fg_run* run, const fg_space* space, uint number, ulong r0) {
  fg_tell(run, &space->frames[number], r0);
  space->done[number] = FG_DONE_MORE;
}
#endif

// SPDX-License-Identifier: Apache-2.0
//
// Helpers of XDP packets: edges, bytes of packets with fragments, redirects.

#define FG_ETHERNET_HEADER 14
#define FG_MOST_METADATA 255
#define FG_FRAME_BYTES 4096u

static ulong fg_adjust_head(fg_run* run, int delta) {
  const long metadata = (long)run->data - run->meta, data = (long)run->data + delta;
  if (data < run->head_limit + metadata || data > (long)run->end - FG_ETHERNET_HEADER) return FG_ERROR(FG_EINVAL);
  __global uchar* const from = FG_GLOBAL(run->packet + run->meta);
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
  for (int i = 0; i < delta; ++i) FG_GLOBAL(run->packet)[run->packet_end + i] = 0;
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
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, FG_GLOBAL(run->packet)[run->data + offset + i]);
  return 0;
}

static ulong fg_store_bytes(fg_run* run, uint offset, ulong from, uint size) {
  const ulong error = fg_packet_bytes(run, offset, size);
  if (error != 0) return error;
  for (uint i = 0; i < size; ++i) FG_GLOBAL(run->packet)[run->data + offset + i] = (uchar)fg_load8_any(run, from + i);
  return 0;
}

// ---- redirects: the host carries out the last one ----

#define FG_XDP_ABORTED 0
#define FG_XDP_REDIRECT 4

static ulong fg_redirect(fg_run* run, uint ifindex, ulong flags) {
  if (flags != 0) return FG_XDP_ABORTED;
  run->redirect = FG_REDIRECT_PORT;
  run->redirect_key = ifindex;
  run->target = ifindex <= FG_TARGET_MOST ? ifindex << FG_TARGET_SHIFT | FG_TARGET_KNOWN : FG_TARGET_OF_HOST;
  run->target_type = 0;
  return FG_XDP_REDIRECT;
}

// `known`: flags that maps of the type take besides the verdict for keys that lead nowhere.
static ulong fg_redirect_map(fg_run* run, uint map, uint type, uint target, uint key, ulong flags, ulong known) {
  if ((flags & ~(3ul | known)) != 0) return FG_XDP_ABORTED;
  const bool broadcast = (flags & known & 8) != 0;
  if (target == 0 && !broadcast) {
    run->redirect = 0;
    return flags & 3;
  }
  run->target = broadcast ? FG_TARGET_OF_HOST : target;
  run->target_type = type;
  run->redirect = FG_REDIRECT_MAP;
  run->redirect_map = map;
  run->redirect_key = key;
  run->redirect_flags = (uint)flags;
  return FG_XDP_REDIRECT;
}


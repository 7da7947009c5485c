// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Reads a list of options, each a type, a length and so many bytes of value, as DHCP, TCP and telemetry formats have
// them, from UDP packets to one port: many branches, and a pointer that moves by what the packet says.
//
//   0       the end            2 bytes  a metric, added up       4 bytes  an address, mixed into a hash
//   1 byte  a hop, counted     8 bytes  a time, the latest wins  others   skipped, their length counted
//
// A list that is cut short, or has an option of a wrong length, drops. Other packets pass.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "options.h"

#define MAX_OPTIONS 24

enum option_type {
  OPTION_HOP = OPTION_END + 1,
  OPTION_METRIC,
  OPTION_ADDRESS,
  OPTION_TIME,
};

struct summary {
  __u64 latest;
  __u32 address_hash;
  __u32 metrics;
  __u32 hops;
  __u32 skipped;
};

static __always_inline bool read_value(struct summary* summary, const struct option* option, struct cursor* value) {
  switch (option->type) {
    case OPTION_HOP: {
      __u8* weight = cursor_take(value, __u8);
      if (option->length != sizeof(*weight) || !weight) return false;
      summary->hops += 1 + *weight;
      return true;
    }
    case OPTION_METRIC: {
      u16_view* metric = cursor_take(value, u16_view);
      if (option->length != sizeof(*metric) || !metric) return false;
      summary->metrics += bpf_ntohs(*metric);
      return true;
    }
    case OPTION_ADDRESS: {
      u32_view* address = cursor_take(value, u32_view);
      if (option->length != sizeof(*address) || !address) return false;
      summary->address_hash = (summary->address_hash ^ *address) * 0x9e3779b1u;
      return true;
    }
    case OPTION_TIME: {
      u64_view* time = cursor_take(value, u64_view);
      if (option->length != sizeof(*time) || !time) return false;
      __u64 moment = bpf_be64_to_cpu(*time);
      if (moment > summary->latest) summary->latest = moment;
      return true;
    }
    default:
      summary->skipped += option->length;
      return true;
  }
}

// Read once more, as a number of any size: or a verifier that was just told the length of this type follows one way for
// each series of types.
static __always_inline __u32 length_of(const struct option* option) { return *(const volatile __u8*)&option->length; }

static __always_inline bool read_options(struct cursor* cursor, struct summary* summary) {
  for (int i = 0; i < MAX_OPTIONS; i++) {
    struct option* option = cursor_take(cursor, struct option);
    if (!option) return false;
    if (option->type == OPTION_END) return true;
    struct cursor value = *cursor;
    if (!read_value(summary, option, &value) || !cursor_skip(cursor, length_of(option))) return false;
  }
  return false;
}

SEC("xdp")
int xdp_tlv(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  if (!has_options(&cursor, ethernet)) return XDP_PASS;
  struct summary summary = {};
  if (!read_options(&cursor, &summary)) return XDP_DROP;
  __u64 counts = (__u64)summary.metrics << 32 | summary.hops << 16 | summary.skipped;
  return answer(ethernet, counts ^ summary.latest ^ summary.address_hash);
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Drops every frame and counts it: the least that a program with a map can do.
//
// Tested by: its rows of matrix.txt.
#include "verdicts.h"

SEC("xdp")
int xdp_drop(struct xdp_md* ctx) { return count_verdict(XDP_DROP, frame_length(ctx)); }

char LICENSE[] SEC("license") = "GPL";

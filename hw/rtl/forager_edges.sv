// SPDX-License-Identifier: Apache-2.0
//
// Where an edge of a packet moves to, by the rules of bpf_xdp_adjust_head, _tail and _meta (net/core/filter.c, Frame::adjust_*
// of host/exec), and which bytes come to the packet so: they are made zero, for what stood there was another's. Offsets are
// in the packet's buffer. They are looked at a cycle after they are there, so long does it take to choose the packet.
module forager_edges (
  input  logic        clk_i,
  input  logic        is_head_i,        // neither: the metadata
  input  logic        is_tail_i,
  input  logic [31:0] by_i,
  input  logic [12:0] meta_i, data_i, end_i,
  input  logic [12:0] lowest_i,         // that metadata or packet ever began at

  output logic [12:0] moved_o,
  output logic        out_of_bounds_o,  // EINVAL
  output logic        denied_o,         // EACCES: metadata of a size that there is not
  output logic        exposes_o,        // bytes [from, to)
  output logic [12:0] from_o, to_o,

  // Of bytes [from, to) those in the row of the first.
  input  logic [12:0] zero_from_i, zero_to_i,
  output logic [63:0] zero_bytes_o,
  output logic        zeros_end_o       // there are none behind
);

  localparam logic signed [33:0] FrameHeader = 34'sd40, TailLimit = 34'sd3776;  // of 4096 bytes the last 320 are reserved
  localparam logic [12:0] EthernetHeader = 13'd14, MostMetadata = 13'd255;

  logic [12:0] meta_q, data_q, end_q, lowest_q;
  always_ff @(posedge clk_i) {meta_q, data_q, end_q, lowest_q} <= {meta_i, data_i, end_i, lowest_i};

  logic signed [33:0] moved, bound;
  logic [12:0]        room;
  logic [63:0]        before_end;

  assign moved   = {21'd0, is_head_i ? data_q : is_tail_i ? end_q : meta_q} + {{2{by_i[31]}}, by_i};
  // An Ethernet header stays; metadata ends where the packet begins.
  assign bound   = {21'd0, is_head_i ? end_q - EthernetHeader : is_tail_i ? data_q + EthernetHeader : data_q};
  assign room    = data_q - moved[12:0];
  assign moved_o = moved[12:0];

  assign out_of_bounds_o = moved < FrameHeader || (is_tail_i ? moved < bound || moved > TailLimit : moved > bound);
  assign denied_o        = !is_head_i && !is_tail_i && (room[1:0] != 2'd0 || room > MostMetadata);
  assign exposes_o       = is_tail_i ? !by_i[31] && by_i != 32'd0 : moved[12:0] < lowest_q;
  assign from_o          = is_tail_i ? end_q : moved[12:0];
  assign to_o            = is_tail_i ? moved[12:0] : lowest_q;

  assign zeros_end_o  = {zero_from_i[12:6], 6'd63} >= zero_to_i - 13'd1;
  assign before_end   = zero_from_i[12:6] == zero_to_i[12:6] ? ~(~64'd0 << zero_to_i[5:0]) : ~64'd0;
  assign zero_bytes_o = (~64'd0 << zero_from_i[5:0]) & before_end;

endmodule

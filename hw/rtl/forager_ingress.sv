// SPDX-License-Identifier: Apache-2.0
//
// Frames from the port, a row of 64 bytes a beat, into the next packet buffer behind its headroom. What no program
// should see is dropped and counted: frames longer than a buffer takes, empty ones, and such with a hole in tkeep.
//
// tuser, valid with the first beat: [15:0] length in bytes, 0 if not known yet; [47:16] ingress ifindex; [79:48] queue.
// Nobody waits for a frame's end if its length is known; a length that turns out wrong makes it malformed.
//
// The host injects packets that it keeps itself: they take a buffer for their order's sake, and no bytes.
module forager_ingress #(
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned RowWidth = 11,
  parameter int unsigned MaxBytes = 3520  // of a frame: 4096 less head- and tailroom as Linux has them; whole rows
) (
  input  logic                 clk_i,
  input  logic                 rst_i,

  input  logic                 tvalid_i,
  output logic                 tready_o,
  input  logic [511:0]         tdata_i,
  input  logic [63:0]          tkeep_i,
  input  logic                 tlast_i,
  input  logic [79:0]          tuser_i,

  input  logic                 inject_i,
  input  logic [31:0]          inject_tag_i,
  output logic                 inject_ready_o,

  // forager_slots.
  input  logic                 room_i,
  input  logic [SlotWidth-1:0] tail_i,
  output logic                 take_o,
  output logic                 take_native_o,
  output logic                 take_known_o,
  output logic [12:0]          take_end_o,
  output logic [31:0]          take_port_o,
  output logic [31:0]          take_queue_o,
  output logic [31:0]          take_tag_o,
  output logic                 grow_o,
  output logic [12:0]          grow_to_o,
  output logic                 close_o,
  output logic                 close_bad_o,

  // Data memory; granted while it is not taken.
  input  logic                 taken_i,
  output logic                 write_o,
  output logic [RowWidth-1:0]  write_row_o,
  output logic [511:0]         write_data_o,

  output logic                 oversize_o,
  output logic                 malformed_o
);

  localparam logic [12:0] Headroom = 13'd256;

  logic                 inside_q, bad_q, long_q, known_q;
  logic [SlotWidth-1:0] slot_q, slot;
  logic [12:0]          at_q, at, length_q, length;
  logic [31:0]          tag_q;
  logic                 beat, first, gap, hole, too_long, wrong, bad, long, known;
  logic [6:0]           bytes;
  logic [12:0]          after;

  assign tready_o = (inside_q || room_i) && !taken_i;
  assign beat     = tvalid_i && tready_o;
  assign first    = beat && !inside_q;
  assign slot     = inside_q ? slot_q : tail_i;
  assign at       = inside_q ? at_q : Headroom;

  // Bytes up to the last one, if there is no gap before it.
  logic [63:0] ends;
  assign ends = tkeep_i & ~(tkeep_i >> 1);
  always_comb begin
    bytes = 7'd0;
    for (int i = 0; i < 64; i++) if (ends[i]) bytes |= 7'(i + 1);
  end
  assign gap  = (~tkeep_i[62:0] & tkeep_i[63:1]) != 63'd0;
  assign hole = gap || !tkeep_i[0] || (!tlast_i && !tkeep_i[63]);

  assign known    = first ? tuser_i[15:0] != 16'd0 && tuser_i[15:0] <= 16'(MaxBytes) : known_q;
  assign length   = first ? tuser_i[12:0] : length_q;
  assign after    = {at[12:6] + 7'(bytes[6]), bytes[5:0]};
  assign too_long = at >= Headroom + 13'(MaxBytes) || (first && tuser_i[15:0] > 16'(MaxBytes));
  assign wrong    = tlast_i && known && after != Headroom + length;
  assign long     = too_long || (inside_q && long_q);
  assign bad      = hole || wrong || (inside_q && bad_q);

  // The host's come between frames.
  assign inject_ready_o = room_i && !inside_q && !tvalid_i;

  assign take_o        = first || (inject_i && inject_ready_o);
  assign take_native_o = first;
  assign take_known_o  = first && known && !hole;
  assign take_end_o    = Headroom + tuser_i[12:0];
  assign take_port_o   = tuser_i[47:16];
  assign take_queue_o  = tuser_i[79:48];
  assign take_tag_o    = first ? tag_q : inject_tag_i;

  // The ring knows the buffer from the next cycle on, so it hears of bytes a cycle later.
  always_ff @(posedge clk_i) begin
    grow_o      <= beat && !bad && !rst_i;
    grow_to_o   <= after;
    close_o     <= beat && tlast_i && !rst_i;
    close_bad_o <= bad || long;
    oversize_o  <= beat && tlast_i && long && !rst_i;
    malformed_o <= beat && tlast_i && bad && !long && !rst_i;
    if (beat) begin
      inside_q <= !tlast_i;
      bad_q    <= bad;
      long_q   <= long;
      known_q  <= known;
      slot_q   <= slot;
      at_q     <= at + 13'd64;
      length_q <= length;
      if (long) at_q <= at;
    end
    if (first) tag_q <= tag_q + 32'd1;
    if (rst_i) begin
      inside_q <= 1'b0;
      tag_q    <= 32'd0;
    end
  end

  assign write_o      = beat && !long;
  assign write_row_o  = RowWidth'({slot, at[11:6]});
  assign write_data_o = tdata_i;

endmodule

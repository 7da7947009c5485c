// SPDX-License-Identifier: Apache-2.0
//
// Packets on their way out, in the order in which they came: the bytes from data to end, moved so that the first is byte
// 0 of the first beat. Verdicts other than XDP_PASS, XDP_TX and XDP_REDIRECT end here. Where the host wants all, they
// come out too, metadata in front; a packet that the host keeps is one empty beat.
//
// A row of memory is read in a cycle, and its beat goes out two cycles later. A packet that does not begin a row needs the
// row after for each beat; its last beat is made of the row at hand if nothing is left in a next one (`Rest`). What was
// read must find room, so there are two beats of it; the packet's buffer is free as soon as its last row was asked for.
//
// tuser, valid with every beat: [31:0] tag, [95:32] result, [99:96] cause, [115:100] bundle, [128:116] metadata's offset
// in the buffer, [141:129] data's, [154:142] the end's, [186:155] cycle in which it came, [218:187] in which it ended,
// [220:219] kind of redirect, [226:221] its map, [255:227] its port or entry (forager_maps).
module forager_egress #(
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned RowWidth = 11
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 all_i,

  input  logic                 leaving_i,
  input  logic                 bad_i,
  input  logic [SlotWidth-1:0] slot_i,
  input  logic                 native_i,
  input  logic [12:0]          meta_i,
  input  logic [12:0]          data_i,
  input  logic [12:0]          end_i,
  input  logic [63:0]          value_i,
  input  logic [3:0]           cause_i,
  input  logic [255:0]         user_i,  // a cycle later
  output logic                 free_o,

  output logic                 read_o,
  input  logic                 grant_i,
  output logic [RowWidth-1:0]  read_row_o,
  input  logic [511:0]         read_data_i,

  output logic                 tvalid_o,
  input  logic                 tready_i,
  output logic [511:0]         tdata_o,
  output logic [63:0]          tkeep_o,
  output logic                 tlast_o,
  output logic [255:0]         tuser_o,

  output logic                 packet_o,   // one has ended
  output logic [2:0]           verdict_o,  // 5: no verdict of XDP's
  output logic [12:0]          bytes_o,
  output logic [3:0]           cause_o,
  output logic                 trap_o
);

  // ---- rows are asked for ------------------------------------------------------------------------------------------

  typedef enum logic [1:0] {First, Next, Rest} state_e;

  state_e      state_q;
  logic [5:0]  row_q, row;
  logic [12:0] left_q, left, from;  // bytes that no beat has yet
  logic        forward, empty, silent, aligned, last_row, rests, room, step, asked;

  assign forward  = cause_i == 4'd0 && (value_i == 64'd2 || value_i == 64'd3 || value_i == 64'd4);
  assign from     = all_i ? meta_i : data_i;
  assign empty    = !native_i || !(forward || all_i) || end_i == from;
  assign silent   = bad_i || (empty && !all_i);
  assign aligned  = from[5:0] == 6'd0;
  assign row      = state_q == First ? from[11:6] : row_q;
  assign left     = state_q == First ? end_i - from : left_q;
  // The row holds the packet's last byte: of a beat that begins in it, or in the one before.
  assign last_row = state_q == First || aligned ? 13'(from[5:0]) + left <= 13'd64
                                                : 13'(from[5:0]) + left <= 13'd128;
  // There is more in it than goes out with its arrival.
  assign rests    = !aligned && (state_q == First || left > 13'd64);

  assign read_o     = leaving_i && !silent && !empty && state_q != Rest && room;
  assign read_row_o = RowWidth'({slot_i, row});
  assign asked      = read_o && grant_i;
  // A step of a packet: a row, its rest, or all of one that has no bytes.
  assign step       = asked || (leaving_i && !silent && room && (empty || state_q == Rest));

  logic done;
  assign done   = step && (empty || state_q == Rest || (last_row && !rests));
  assign free_o = done || (state_q == First && leaving_i && silent);

  always_ff @(posedge clk_i) begin
    if (step) begin
      row_q  <= row + 6'd1;
      left_q <= aligned || state_q != First ? left - 13'd64 : left;
      state_q <= done ? First : last_row ? Rest : Next;
    end
    packet_o <= free_o && !bad_i && !rst_i;
    verdict_o <= cause_i != 4'd0 ? 3'd0 : value_i[31:0] > 32'd4 ? 3'd5 : value_i[2:0];
    bytes_o   <= native_i ? end_i - data_i : '0;
    cause_o   <= cause_i;
    trap_o   <= free_o && !bad_i && cause_i != 4'd0 && !rst_i;
    if (rst_i) state_q <= First;
  end

  // ---- and arrive --------------------------------------------------------------------------------------------------

  logic         came_q, emits_q, empty_q, last_q;
  logic [5:0]   shift_q;
  logic [12:0]  left_bytes_q;
  logic [511:0] hold_q;

  always_ff @(posedge clk_i) begin
    came_q       <= asked && !rst_i;
    emits_q      <= step && !rst_i && (aligned || empty || state_q != First);
    empty_q      <= empty;
    last_q       <= done;
    shift_q      <= from[5:0];
    left_bytes_q <= empty ? 13'd0 : left;
    if (came_q) hold_q <= read_data_i;
  end

  // ---- and leave: two beats of room --------------------------------------------------------------------------------

  typedef struct packed {
    logic [255:0] user;
    logic         last;
    logic [63:0]  keep;
    logic [511:0] data;
  } beat_t;

  beat_t out_q, spare_q;
  logic  out_valid_q, spare_valid_q, taken;

  // Functions, so that simulation computes them for beats only. An aligned row is its beat; otherwise the row before is in
  // front.
  function automatic logic [511:0] row_data();
    row_data = 512'({read_data_i, shift_q == 6'd0 ? read_data_i : hold_q} >> {shift_q, 3'd0});
  endfunction
  function automatic beat_t made();
    made = {user_i, last_q, left_bytes_q >= 13'd64 ? {64{1'b1}} : (64'd1 << left_bytes_q[5:0]) - 64'd1,
            empty_q ? 512'd0 : row_data()};
  endfunction

  assign taken = !out_valid_q || tready_i;
  assign room  = !spare_valid_q && (!emits_q || taken);

  always_ff @(posedge clk_i) begin
    if (taken) begin
      if (spare_valid_q) out_q <= spare_q;
      else if (emits_q) out_q <= made();
      out_valid_q   <= spare_valid_q || emits_q;
      spare_valid_q <= spare_valid_q && emits_q;
    end else begin
      spare_valid_q <= spare_valid_q || emits_q;
    end
    if (emits_q) spare_q <= made();
    if (rst_i) begin
      out_valid_q   <= 1'b0;
      spare_valid_q <= 1'b0;
    end
  end

  assign tvalid_o = out_valid_q;
  assign tdata_o  = out_q.data;
  assign tkeep_o  = out_q.keep;
  assign tlast_o  = out_q.last;
  assign tuser_o  = out_q.user;

endmodule

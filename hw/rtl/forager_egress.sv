// SPDX-License-Identifier: Apache-2.0
//
// Packets on their way out, in the order in which they came: the bytes from data to end, moved so that the first is byte
// 0 of the first beat. Verdicts other than XDP_PASS, XDP_TX and XDP_REDIRECT end here. Where the host wants all, they
// come out too, metadata in front; a packet that the host keeps itself is one empty beat.
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
  input  logic [255:0]         user_i,
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

  output logic                 packet_o,
  output logic                 trap_o
);

  typedef enum logic [2:0] {Wait, First, Hold, Second, Out} state_e;

  state_e        state_q;
  logic [5:0]    row_q;   // the next to be read
  logic [12:0]   left_q;  // bytes to be sent
  logic [511:0]  hold_q, data_q;
  logic          arrived_q;  // the row that was asked for in the cycle before
  logic          forward, empty, aligned;
  logic [12:0]   from;
  logic [511:0]  low, straddled;

  assign forward = cause_i == 4'd0 && (value_i == 64'd2 || value_i == 64'd3 || value_i == 64'd4);
  assign from    = all_i ? meta_i : data_i;
  assign empty   = !native_i || !(forward || all_i) || end_i == from;
  assign aligned = from[5:0] == 6'd0;

  assign read_o     = state_q == First || (state_q == Second && !arrived_q);
  assign read_row_o = RowWidth'({slot_i, row_q});
  // A beat is bytes of the row held and the one after, or of one row alone: what is beyond that is not kept.
  assign low        = state_q == Hold ? read_data_i : hold_q;
  assign straddled  = 512'({read_data_i, low} >> {from[5:0], 3'd0});

  assign tvalid_o = state_q == Out;
  assign tdata_o  = data_q;
  assign tkeep_o  = left_q >= 13'd64 ? '1 : (64'd1 << left_q[5:0]) - 64'd1;
  assign tlast_o  = left_q <= 13'd64;
  assign tuser_o  = user_i;

  logic sent;
  assign sent     = tvalid_o && tready_i && tlast_o;
  assign free_o   = sent || (state_q == Wait && leaving_i && (bad_i || (empty && !all_i)));
  assign packet_o = free_o && !bad_i;
  assign trap_o   = free_o && !bad_i && cause_i != 4'd0;

  always_ff @(posedge clk_i) begin
    arrived_q <= read_o && grant_i;
    unique case (state_q)
      Wait: if (leaving_i && !free_o) begin
        row_q  <= from[11:6];
        left_q <= empty ? 13'd0 : end_i - from;
        data_q <= '0;
        state_q <= empty ? Out : First;
      end
      First: if (grant_i) begin
        row_q   <= row_q + 6'd1;
        state_q <= Hold;
      end
      Hold: begin
        hold_q  <= read_data_i;
        data_q  <= straddled;
        state_q <= aligned || 13'(from[5:0]) + left_q <= 13'd64 ? Out : Second;
      end
      Second: begin
        if (grant_i) row_q <= row_q + 6'd1;
        if (arrived_q) begin
          data_q  <= straddled;
          hold_q  <= read_data_i;
          state_q <= Out;
        end
      end
      default: if (tready_i) begin
        left_q  <= left_q - 13'd64;
        state_q <= tlast_o ? Wait : aligned ? First : Second;
        if (!tlast_o && !aligned && 13'(from[5:0]) + left_q <= 13'd128) begin
          // The rest is in the row at hand.
          data_q  <= straddled;
          state_q <= Out;
        end
      end
    endcase
    if (rst_i) state_q <= Wait;
  end

endmodule

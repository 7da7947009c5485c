// SPDX-License-Identifier: Apache-2.0
//
// Atomics, once the old value is there (end of P5): a cycle later the new one goes back to data memory, by its row port.
// An atomic stands in one bank of 8 bytes; a count in a pair of them.
module forager_amo
  import forager_core_pkg::*;
#(
  parameter int unsigned RowWidth = 11
) (
  input  logic                clk_i,
  input  logic                rst_i,

  input  logic                valid_i,
  /* verilator lint_off UNUSEDSIGNAL */
  input  logic [3:0]          fn_i,     // whether it fetches is not asked here
  input  logic [5:0]          byte_i,   // in the row; atomics are aligned
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic                wide_i,
  input  logic [RowWidth-1:0] row_i,
  input  logic [63:0]         old_i,
  input  logic [63:0]         behind_i, // the 8 bytes after
  input  logic [63:0]         b_i,
  input  logic [63:0]         other_i,  // what cmpxchg compares with

  output logic                update_o,
  output logic [RowWidth-1:0] row_o,
  output logic [63:0]         write_o,  // byte enables
  output logic [127:0]        data_o    // in each pair of banks
);

  logic        wide_q;
  logic [2:0]  fn_q;
  logic [5:2]  byte_q;
  logic [63:0] old_q, behind_q, b_q, other_q, changed, one;
  logic        counts;

  always_ff @(posedge clk_i) begin
    update_o <= valid_i && !rst_i;
    row_o    <= row_i;
    byte_q   <= byte_i[5:2];
    fn_q     <= fn_i[2:0];
    wide_q   <= wide_i;
    old_q    <= old_i;
    behind_q <= behind_i;
    b_q      <= b_i;
    other_q  <= other_i;
  end

  assign counts = {1'b0, fn_q} == AtomicCount;
  assign one    = wide_q ? changed : {changed[31:0], changed[31:0]};
  assign data_o = {counts ? behind_q + b_q : one, one};
  always_comb begin
    write_o = 64'd0;
    write_o[{byte_q[5:3], 3'd0}+:8] = wide_q ? 8'hff : byte_q[2] ? 8'hf0 : 8'h0f;
    if (counts) write_o[{byte_q[5:4], 4'd0}+:16] = 16'hffff;
  end

  always_comb begin
    unique case ({1'b0, fn_q})
      AtomicAdd:     changed = old_q + b_q;
      AtomicCount:   changed = old_q + 64'd1;
      AtomicOr:      changed = old_q | b_q;
      AtomicAnd:     changed = old_q & b_q;
      AtomicXor:     changed = old_q ^ b_q;
      AtomicXchg:    changed = b_q;
      AtomicCmpxchg: changed = old_q == (wide_q ? other_q : {32'd0, other_q[31:0]}) ? b_q : old_q;
      default:       changed = old_q;
    endcase
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// What an access counts from (a register, an index into a map's values, the scratch's beginning), and how many bytes it
// has. Combinational.
module forager_address
  import forager_core_pkg::*;
(
  /* verilator lint_off UNUSEDSIGNAL */  // the rest of the operation is others' business
  input  op_t         op_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic [63:0] a_i,
  output logic [63:0] start_o,
  output logic [4:0]  bytes_o
);

  always_comb begin
    start_o = a_i;
    if (op_i.cls == ClassLocal) start_o = 64'd0;
    else if (op_i.on_map) begin
      unique case (op_i.imm[7:6])
        2'd1: start_o = {29'd0, a_i[31:0], 3'd0};
        2'd2: start_o = {28'd0, a_i[31:0], 4'd0};
        2'd3: start_o = {27'd0, a_i[31:0], 5'd0};
        default: start_o = {32'd0, a_i[31:0]};
      endcase
    end
  end

  always_comb begin
    bytes_o = 5'd1 << op_i.fn[1:0];
    if (op_i.cls == ClassLocal) bytes_o = 5'd8;
    else if (op_i.cls == ClassAtomic) bytes_o = op_i.fn == AtomicCount ? 5'd16 : op_i.wide ? 5'd8 : 5'd4;
    else if (op_i.fn[2:0] == AccessSix) bytes_o = 5'd6;
  end

endmodule

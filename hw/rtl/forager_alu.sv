// SPDX-License-Identifier: Apache-2.0
//
// What a lane computes in one step (forager_core_pkg, class Alu). Combinational.
module forager_alu
  import forager_core_pkg::*;
(
  input  logic [3:0]  fn_i,
  input  logic        wide_i,  // 64 bits; otherwise the low 32, and zeros above
  input  logic [1:0]  size_i,  // log2 of bytes: Sext, Zext, Swap
  input  logic [31:0] high_i,  // Wide: the result's upper half
  input  logic [63:0] a_i,
  input  logic [63:0] b_i,
  output logic [63:0] result_o
);

  // Functions, so that simulation computes what is asked for only.
  function automatic logic [63:0] extended(input logic of_sign);
    unique case (size_i)
      2'd0: extended = {{56{of_sign & a_i[7]}}, a_i[7:0]};
      2'd1: extended = {{48{of_sign & a_i[15]}}, a_i[15:0]};
      2'd2: extended = {{32{of_sign & a_i[31]}}, a_i[31:0]};
      default: extended = a_i;
    endcase
  endfunction
  function automatic logic [63:0] swapped();
    unique case (size_i)
      2'd1: swapped = {48'd0, a_i[7:0], a_i[15:8]};
      2'd2: swapped = {32'd0, a_i[7:0], a_i[15:8], a_i[23:16], a_i[31:24]};
      2'd3: swapped = {a_i[7:0], a_i[15:8], a_i[23:16], a_i[31:24], a_i[39:32], a_i[47:40], a_i[55:48], a_i[63:56]};
      default: swapped = {56'd0, a_i[7:0]};
    endcase
  endfunction

  // One shifter for each direction; a rotation is both. A negative number takes in ones from above: its complement zeros.
  logic [5:0]  amount;
  logic        negative;
  logic [63:0] a_zero, to_shift, result;

  assign amount   = {wide_i & b_i[5], b_i[4:0]};
  assign a_zero   = wide_i ? a_i : {32'd0, a_i[31:0]};
  assign negative = fn_i == AluArsh && (wide_i ? a_i[63] : a_i[31]);
  assign to_shift = !negative ? a_zero : wide_i ? ~a_i : {32'd0, ~a_i[31:0]};

  function automatic logic [63:0] around();
    around = wide_i ? a_i >> (7'd64 - {1'b0, amount}) : a_zero >> (7'd32 - {1'b0, amount});
  endfunction

  always_comb begin
    unique case (fn_i)
      AluMov:  result = b_i;
      AluAdd:  result = a_i + b_i;
      AluSub:  result = a_i - b_i;
      AluOr:   result = a_i | b_i;
      AluAnd:  result = a_i & b_i;
      AluXor:  result = a_i ^ b_i;
      AluLsh, AluRotl: result = (a_i << amount) | (fn_i == AluRotl ? around() : 64'd0);
      AluRsh, AluArsh: result = (to_shift >> amount) ^ {64{negative}};
      AluSext, AluZext: result = extended(fn_i == AluSext);
      AluSwap: result = swapped();
      AluNeg:  result = 64'd0 - a_i;
      AluWide: result = {high_i, b_i[31:0]};
      default: result = 64'd0;
    endcase
  end

  assign result_o = wide_i ? result : {32'd0, result[31:0]};

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// Multiplication in eight cycles (six in 32 bits), division in 66 (34), one operation at a time. RFC 9669 section 4.1:
// x / 0 is 0, x % 0 is x, the least number divided by -1 is itself.
module forager_muldiv
  import forager_core_pkg::*;
#(
  parameter int unsigned ThreadWidth = 3
) (
  input  logic                   clk_i,
  input  logic                   rst_i,

  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [ThreadWidth-1:0] thread_i,
  input  logic [3:0]             fn_i,
  input  logic                   wide_i,
  input  logic [63:0]            a_i,
  input  logic [63:0]            b_i,

  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [ThreadWidth-1:0] thread_o,
  output logic [63:0]            result_o
);

  typedef enum logic [1:0] {Idle, Multiply, Divide, Done} state_e;

  state_e      state_q;
  logic [6:0]  steps_q;
  logic [3:0]  fn_q;
  logic        wide_q, negate_q, zero_q;
  logic [63:0] a_q, b_q, quotient_q, remainder_q, result_q;
  logic [31:0] product0_q, product1_q, product2_q;
  logic [15:0] product3_q;
  logic [63:0] sum_q;

  logic        is_signed, a_negative, b_negative;
  logic [63:0] a_in, b_in, a_size, b_size;
  logic [63:0] chosen, signed_chosen;

  assign is_signed  = fn_i == UnitSdiv || fn_i == UnitSmod;
  assign a_in       = wide_i ? a_i : {{32{is_signed & a_i[31]}}, a_i[31:0]};
  assign b_in       = wide_i ? b_i : {{32{is_signed & b_i[31]}}, b_i[31:0]};
  assign a_negative = is_signed & a_in[63];
  assign b_negative = is_signed & b_in[63];
  assign a_size     = a_negative ? 64'd0 - a_in : a_in;
  assign b_size     = b_negative ? 64'd0 - b_in : b_in;

  // Restoring division, a bit of the quotient a cycle: that bit, and the remainder.
  function automatic logic [64:0] divided();
    logic [64:0] shifted, difference;
    shifted    = {remainder_q, quotient_q[63]};
    difference = shifted - {1'b0, b_q};
    divided    = {!difference[64], difference[64] ? shifted[63:0] : difference[63:0]};
  endfunction

  always_comb begin
    if (fn_q == UnitDiv || fn_q == UnitSdiv) chosen = zero_q ? 64'd0 : quotient_q;
    else chosen = zero_q ? a_q : remainder_q;
  end
  assign signed_chosen = negate_q ? 64'd0 - chosen : chosen;

  // Multiplication takes 16 bits of b a cycle, the upper ones first: four small products, their sum, and all sums so far,
  // each in a stage of its own. What the last stage adds before the first sum is there, it shifts out again.
  always_ff @(posedge clk_i) if (state_q == Multiply) begin
    product0_q <= a_q[15:0] * b_q[63:48];
    product1_q <= a_q[31:16] * b_q[63:48];
    product2_q <= a_q[47:32] * b_q[63:48];
    product3_q <= a_q[63:48] * b_q[63:48];
    sum_q      <= {product2_q, product0_q} + {product3_q, product1_q, 16'd0};
  end

  assign ready_o  = state_q == Idle;
  assign valid_o  = state_q == Done;
  assign result_o = result_q;

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      Idle: if (valid_i) begin
        thread_o    <= thread_i;
        fn_q        <= fn_i;
        wide_q      <= wide_i;
        a_q         <= a_size;
        b_q         <= fn_i == UnitMul && !wide_i ? {b_in[31:0], 32'd0} : b_size;
        zero_q      <= fn_i != UnitMul && b_in == 64'd0;
        remainder_q <= 64'd0;
        // Of 32 bits, the upper half's steps would give zeros: they are left out.
        quotient_q  <= wide_i ? a_size : {a_size[31:0], 32'd0};
        negate_q    <= fn_i == UnitSdiv ? a_negative != b_negative : fn_i == UnitSmod && a_negative;
        steps_q     <= fn_i == UnitMul ? (wide_i ? 7'd6 : 7'd4) : wide_i ? 7'd64 : 7'd32;
        state_q     <= fn_i == UnitMul ? Multiply : Divide;
      end
      Multiply: begin
        b_q     <= {b_q[47:0], 16'd0};
        steps_q <= steps_q - 7'd1;
        if (steps_q == 7'd0) begin
          result_q <= wide_q ? signed_chosen : {32'd0, signed_chosen[31:0]};
          state_q  <= Done;
        end else begin
          remainder_q <= {remainder_q[47:0], 16'd0} + sum_q;
        end
      end
      Divide: begin
        steps_q <= steps_q - 7'd1;
        if (steps_q == 7'd0) begin
          result_q <= wide_q ? signed_chosen : {32'd0, signed_chosen[31:0]};
          state_q  <= Done;
        end else begin
          quotient_q[63:1]             <= quotient_q[62:0];
          {quotient_q[0], remainder_q} <= divided();
        end
      end
      default: if (ready_i) state_q <= Idle;
    endcase
    if (rst_i) state_q <= Idle;
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// Products of 32 bits in the pipeline: parts of them are made in P3, their sum in P4. It goes to a register as it is:
// three DSPs one behind the other take all of the cycle.
module forager_mul (
  input  logic        clk_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] product_o  // two cycles later
);

  logic [31:0] low_q;
  logic [15:0] middle_q, other_q;

  always_ff @(posedge clk_i) begin
    low_q    <= a_i[15:0] * b_i[15:0];
    middle_q <= a_i[31:16] * b_i[15:0];
    other_q  <= a_i[15:0] * b_i[31:16];

    product_o <= {low_q[31:16] + middle_q + other_q, low_q[15:0]};
  end

endmodule

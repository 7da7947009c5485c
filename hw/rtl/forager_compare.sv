// SPDX-License-Identifier: Apache-2.0
//
// Whether a branch is taken (forager_core_pkg, class Branch). Combinational.
module forager_compare
  import forager_core_pkg::*;
(
  input  logic [3:0]  fn_i,
  input  logic        wide_i,
  input  logic [63:0] a_i,
  input  logic [63:0] b_i,
  output logic        taken_o
);

  logic equal, below, signed_below, common, a_negative, b_negative;

  assign equal = a_i[31:0] == b_i[31:0] && (!wide_i || a_i[63:32] == b_i[63:32]);
  assign below = wide_i ? a_i < b_i : a_i[31:0] < b_i[31:0];
  assign a_negative = wide_i ? a_i[63] : a_i[31];
  assign b_negative = wide_i ? b_i[63] : b_i[31];
  assign signed_below = a_negative != b_negative ? a_negative : below;
  assign common = (a_i[31:0] & b_i[31:0]) != 32'd0 || (wide_i && (a_i[63:32] & b_i[63:32]) != 32'd0);

  always_comb begin
    unique case (fn_i)
      BranchAlways: taken_o = 1'b1;
      BranchEq:     taken_o = equal;
      BranchNe:     taken_o = !equal;
      BranchGt:     taken_o = !below && !equal;
      BranchGe:     taken_o = !below;
      BranchLt:     taken_o = below;
      BranchLe:     taken_o = below || equal;
      BranchSgt:    taken_o = !signed_below && !equal;
      BranchSge:    taken_o = !signed_below;
      BranchSlt:    taken_o = signed_below;
      BranchSle:    taken_o = signed_below || equal;
      BranchSet:    taken_o = common;
      BranchClear:  taken_o = !common;
      default:      taken_o = 1'b0;
    endcase
  end

endmodule

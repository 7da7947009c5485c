// SPDX-License-Identifier: Apache-2.0
//
// Instruction memory: a bundle two cycles after its address.
module forager_imem #(
  parameter int unsigned Bundles = 4096,
  parameter int unsigned PcWidth = 12
) (
  input  logic               clk_i,
  input  logic               write_i,
  input  logic [PcWidth-1:0] write_pc_i,
  input  logic [143:0]       write_data_i,
  input  logic [PcWidth-1:0] pc_i,
  output logic [143:0]       bundle_o
);

  logic [143:0] memory [Bundles];
  logic [143:0] read_q;

  always_ff @(posedge clk_i) begin
    if (write_i) memory[write_pc_i] <= write_data_i;
    read_q   <= memory[pc_i];
    bundle_o <= read_q;
  end

endmodule

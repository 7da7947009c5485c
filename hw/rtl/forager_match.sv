// SPDX-License-Identifier: Apache-2.0
//
// Whether the key at the begin of an entry's row is the one that is looked for. To compare so many bits takes two cycles:
// their words, in the one in which the row comes from memory, and all of them in the next.
module forager_match (
  input  logic         clk_i,
  input  logic [511:0] row_i,
  input  logic [511:0] key_i,
  input  logic [6:0]   key_bytes_i,
  output logic         same_o  // a cycle later
);

  logic [511:0] mask;
  logic [15:0]  same_q;

  for (genvar i = 0; i < 64; i++) begin : gen_mask
    assign mask[i*8+:8] = {8{7'(i) < key_bytes_i}};
  end
  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 16; i++) same_q[i] <= ((row_i[i*32+:32] ^ key_i[i*32+:32]) & mask[i*32+:32]) == '0;
  end
  assign same_o = same_q == '1;

endmodule

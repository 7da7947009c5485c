// SPDX-License-Identifier: Apache-2.0
//
// Longest prefixes (BPF_MAP_TYPE_LPM_TRIE): a trie's node, taken out of its row, whether its prefix covers a key, and with
// which node the key goes on. Both are up to 16 bytes, the first bit of the first byte leading. To compare them takes a
// cycle of its own, behind the one in which the row comes from memory.
module forager_prefix (
  input  logic         clk_i,
  input  logic         load_i,
  /* verilator lint_off UNUSEDSIGNAL */  // a node's head has room
  input  logic [191:0] row_i,
  /* verilator lint_on UNUSEDSIGNAL */

  input  logic [127:0] key_i,          // as in memory: byte 0 in the low bits
  input  logic [7:0]   key_length_i,   // bits
  output logic         covers_o,
  output logic         joins_o,        // the node has no value
  output logic [23:0]  child_o         // 0: none
);

  logic [127:0] node_q, key, node;
  logic [7:0]   length_q;  // 0 to 128
  logic [23:0]  left_q, right_q;

  always_ff @(posedge clk_i) if (load_i) begin
    {joins_o, length_q, right_q, left_q} <= row_i[56:0];
    node_q                               <= row_i[191:64];
  end

  for (genvar i = 0; i < 16; i++) begin : gen_byte
    assign key[127-i*8-:8]  = key_i[i*8+:8];
    assign node[127-i*8-:8] = node_q[i*8+:8];
  end

  // The bits of the prefix stand above so many others, which are shifted out.
  logic [127:0] differing;
  logic         side;
  assign differing = (key ^ node) >> (8'd128 - length_q);
  assign covers_o  = differing == '0 && length_q <= key_length_i;
  // There is no side behind the last bit.
  assign side      = length_q < 8'd128 && key[7'd127 - length_q[6:0]];
  assign child_o   = side ? right_q : left_q;

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// Longest prefixes (BPF_MAP_TYPE_LPM_TRIE): whether a node's prefix covers a key, and on which side of the node the key
// goes on. Both are up to 16 bytes, the first bit of the first byte leading. Combinational.
module forager_prefix (
  input  logic [127:0] key_i,          // as in memory: byte 0 in the low bits
  input  logic [7:0]   key_length_i,   // bits
  input  logic [127:0] node_i,
  input  logic [7:0]   node_length_i,  // 0 to 128
  output logic         covers_o,
  output logic         side_o
);

  logic [127:0] key, node;

  for (genvar i = 0; i < 16; i++) begin : gen_byte
    assign key[127-i*8-:8]  = key_i[i*8+:8];
    assign node[127-i*8-:8] = node_i[i*8+:8];
  end

  // The bits of the prefix stand above so many others, which are shifted out.
  logic [127:0] differing;
  assign differing = (key ^ node) >> (8'd128 - node_length_i);
  assign covers_o  = differing == '0 && node_length_i <= key_length_i;
  // There is no side behind the last bit.
  assign side_o    = node_length_i < 8'd128 && key[7'd127 - node_length_i[6:0]];

endmodule

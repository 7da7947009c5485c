// SPDX-License-Identifier: Apache-2.0
//
// Longest prefixes (BPF_MAP_TYPE_LPM_TRIE): whether a node's prefix covers a key, and on which side of the node the key
// goes on. Both are up to 16 bytes, the first bit of the first byte leading. Combinational.
module forager_prefix (
  input  logic         valid_i,        // otherwise it covers nothing
  input  logic [127:0] key_i,          // as in memory: byte 0 in the low bits
  input  logic [7:0]   key_length_i,   // bits
  input  logic [127:0] node_i,
  input  logic [7:0]   node_length_i,  // 0 to 128
  output logic         covers_o,
  output logic         side_o
);

  function automatic logic [127:0] leading(input logic [127:0] bytes);
    for (int i = 0; i < 16; i++) leading[127-i*8-:8] = bytes[i*8+:8];
  endfunction

  // The bits of the prefix stand above so many others, which are shifted out.
  function automatic logic same(input logic [127:0] differing, input logic [7:0] length);
    same = differing >> (8'd128 - length) == '0;
  endfunction

  always_comb begin
    covers_o = 1'b0;
    side_o   = 1'b0;
    if (valid_i) begin
      covers_o = same(leading(key_i ^ node_i), node_length_i) && node_length_i <= key_length_i;
      // There is no side behind the last bit.
      side_o   = node_length_i < 8'd128 && key_i[{node_length_i[6:3], ~node_length_i[2:0]}];
    end
  end

endmodule

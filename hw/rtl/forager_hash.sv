// SPDX-License-Identifier: Apache-2.0
//
// A round of HalfSipHash (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012; its 32-bit kin): the key's words go
// in one by one, a round each, and two rounds without one end it. With a seed that senders do not know, they cannot choose
// keys that share a bucket. Combinational.
module forager_hash (
  input  logic [127:0] state_i,
  input  logic [31:0]  word_i,
  output logic [127:0] state_o,
  output logic [31:0]  hash_o   // of state_i, after the last round
);

  function automatic logic [31:0] rotated(input logic [31:0] value, input logic [4:0] by);
    rotated = (value << by) | (value >> (6'd32 - 6'(by)));
  endfunction

  logic [31:0] v0, v1, v2, v3, a0, a1, a2, a3, b0, b1, b2, b3;

  assign {v0, v1, v2} = state_i[127:32];
  assign v3           = state_i[31:0] ^ word_i;

  assign a0 = v0 + v1;
  assign a1 = rotated(v1, 5'd5) ^ a0;
  assign a2 = v2 + v3;
  assign a3 = rotated(v3, 5'd8) ^ a2;
  assign b0 = rotated(a0, 5'd16) + a3;
  assign b3 = rotated(a3, 5'd7) ^ b0;
  assign b2 = a2 + a1;
  assign b1 = rotated(a1, 5'd13) ^ b2;

  assign state_o = {b0 ^ word_i, b1, rotated(b2, 5'd16), b3};
  assign hash_o  = state_i[95:64] ^ state_i[31:0];

endmodule

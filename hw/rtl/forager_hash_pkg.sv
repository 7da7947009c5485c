// SPDX-License-Identifier: Apache-2.0
//
// A round of HalfSipHash (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012; its 32-bit kin): the key's words go
// in one by one, a round each, and two rounds without one end it. With a seed that senders do not know, they cannot choose
// keys that share a bucket.
package forager_hash_pkg;

  function automatic logic [31:0] rotated(input logic [31:0] value, input logic [4:0] by);
    rotated = (value << by) | (value >> (6'd32 - 6'(by)));
  endfunction

  function automatic logic [127:0] hash_round(input logic [127:0] state, input logic [31:0] word);
    logic [31:0] v0, v1, v2, v3, a0, a1, a2, a3, b0, b1, b2, b3;
    {v0, v1, v2} = state[127:32];
    v3 = state[31:0] ^ word;
    a0 = v0 + v1;
    a1 = rotated(v1, 5'd5) ^ a0;
    a2 = v2 + v3;
    a3 = rotated(v3, 5'd8) ^ a2;
    b0 = rotated(a0, 5'd16) + a3;
    b3 = rotated(a3, 5'd7) ^ b0;
    b2 = a2 + a1;
    b1 = rotated(a1, 5'd13) ^ b2;
    hash_round = {b0 ^ word, b1, rotated(b2, 5'd16), b3};
  endfunction

  // Of two of the state's words, after the last round.
  function automatic logic [31:0] hash_of(input logic [31:0] second, input logic [31:0] last);
    hash_of = second ^ last;
  endfunction

endpackage

// SPDX-License-Identifier: Apache-2.0
//
// Between a value in a register and up to 8 bytes anywhere in a row of 64 and the row after. Combinational.
module forager_align (
  // Towards memory (P4).
  input  logic [5:0]   store_byte_i,
  input  logic [3:0]   store_bytes_i,    // 1, 2, 4, 6 or 8
  input  logic         store_swapped_i,  // in network order
  input  logic [63:0]  store_value_i,
  output logic [7:0]   next_o,           // banks in the row after
  output logic [63:0]  enable_o,         // bytes
  output logic [511:0] store_o,

  // From memory (P5).
  input  logic [5:0]   load_byte_i,
  input  logic [3:0]   load_bytes_i,
  input  logic         load_swapped_i,
  input  logic         load_signed_i,
  input  logic [511:0] load_i,
  output logic [63:0]  value_o,
  output logic [63:0]  behind_o          // the bank after
);

  function automatic logic [63:0] swap(input logic [63:0] value, input logic [3:0] count);
    unique case (count)
      4'd1: swap = value;
      4'd2: swap = {48'd0, value[7:0], value[15:8]};
      4'd4: swap = {32'd0, value[7:0], value[15:8], value[23:16], value[31:24]};
      default: swap = {value[7:0], value[15:8], value[23:16], value[31:24], value[39:32], value[47:40], value[55:48],
                       value[63:56]};
    endcase
  endfunction

  // Two banks, the first one rotated to be in front.
  logic [2:0]   store_bank, load_bank;
  logic [63:0]  to_store;
  logic [127:0] pair, loaded;
  logic [15:0]  bytes;
  logic [63:0]  low, raw;

  assign store_bank = store_byte_i[5:3];
  assign to_store   = store_swapped_i ? swap(store_value_i, store_bytes_i) : store_value_i;
  assign pair       = {64'd0, to_store} << {store_byte_i[2:0], 3'd0};
  assign bytes      = ((16'd1 << store_bytes_i) - 16'd1) << store_byte_i[2:0];

  always_comb begin
    next_o   = ~(8'hff << store_bank);
    enable_o = (64'(bytes) << {store_bank, 3'd0}) | (store_bank == 3'd7 ? 64'(bytes[15:8]) : 64'd0);
    for (int bank = 0; bank < 8; bank++) store_o[bank*64+:64] = 3'(bank) == store_bank ? pair[63:0] : pair[127:64];
  end

  assign load_bank = load_byte_i[5:3];
  assign loaded    = {load_i[{load_bank + 3'd1, 6'd0}+:64], load_i[{load_bank, 6'd0}+:64]};
  assign behind_o  = loaded[127:64];
  assign low       = 64'(loaded >> {load_byte_i[2:0], 3'd0});
  assign raw       = load_swapped_i ? swap(low, load_bytes_i) : low;

  always_comb begin
    unique case (load_bytes_i)
      4'd1: value_o = {{56{load_signed_i & raw[7]}}, raw[7:0]};
      4'd2: value_o = {{48{load_signed_i & raw[15]}}, raw[15:0]};
      4'd4: value_o = {{32{load_signed_i & raw[31]}}, raw[31:0]};
      4'd6: value_o = {16'd0, raw[47:0]};
      default: value_o = raw;
    endcase
  end

endmodule

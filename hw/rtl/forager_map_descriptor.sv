// SPDX-License-Identifier: Apache-2.0
//
// What the engine knows of the map at hand: its descriptor, a row of sixteen words (../doc/maps.md), taken apart.
module forager_map_descriptor #(
  parameter int unsigned RowWidth = 11
) (
  input  logic                clk_i,
  input  logic                load_i,
  /* verilator lint_off UNUSEDSIGNAL */  // words have room
  input  logic [511:0]        row_i,
  /* verilator lint_on UNUSEDSIGNAL */

  output logic [3:0]          kind_o,
  output logic [6:0]          key_bytes_o,
  output logic                marked_o, per_cpu_o, nested_o,
  output logic [1:0]          shift_o, value_shift_o,  // log2 of the rows of an entry; of a CPU's value
  output logic [31:0]         entries_o, mask_o,
  output logic [RowWidth-1:0] bucket_row_o, link_row_o, entry_row_o, value_row_o,
  output logic [7:0]          value_offset_o,          // in the entry
  output logic [2:0]          image_rows_o,            // of the scratch that an update copies
  output logic [15:0]         stride_o,                // bytes of an array's value
  output logic [RowWidth-1:0] cpu_rows_o,
  output logic [23:0]         free_o, spare_o
);

  always_ff @(posedge clk_i) if (load_i) begin
    kind_o         <= row_i[3:0];
    key_bytes_o    <= row_i[14:8];
    marked_o       <= row_i[16];
    per_cpu_o      <= row_i[17];
    nested_o       <= row_i[18];
    shift_o        <= row_i[21:20];
    value_shift_o  <= row_i[25:24];
    entries_o      <= row_i[63:32];
    mask_o         <= row_i[95:64];
    bucket_row_o   <= RowWidth'(row_i[127:96]);
    link_row_o     <= RowWidth'(row_i[159:128]);
    entry_row_o    <= RowWidth'(row_i[191:160]);
    value_row_o    <= RowWidth'(row_i[223:192]);
    value_offset_o <= row_i[231:224];
    image_rows_o   <= row_i[234:232];
    stride_o       <= row_i[255:240];
    cpu_rows_o     <= RowWidth'(row_i[287:256]);
    free_o         <= row_i[311:288];
    spare_o        <= row_i[343:320];
  end

endmodule

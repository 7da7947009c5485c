// SPDX-License-Identifier: Apache-2.0
//
// What the map engine reads and writes in each of its steps: a row of data memory, and what goes there. Combinational.
module forager_map_rows
  import forager_map_pkg::*;
#(
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned RowWidth = 11,
  parameter int unsigned ScratchRow = 1536,
  parameter int unsigned TableRow = 1664
) (
  input  state_e                 state_i,
  input  logic [RowWidth-1:0]    bucket_i,  // row of the buckets
  input  logic [23:0]            node_i, fresh_i, free_i, next_i,
  input  logic [1:0]             shift_i, value_shift_i, key_row_i,
  input  logic [2:0]             image_i, depth_i,
  input  logic                   per_cpu_i, is_delete_i, is_update_i, hit_i, zeros_i, writing_i,
  input  logic [ThreadWidth-1:0] lane_i, thread_i,
  input  logic [RowWidth-1:0]    cpu_rows_i, bucket_row_i, link_row_i, entry_row_i, value_row_i, buffer_i,
  input  logic [RowWidth-1:0]    slot_row_i,
  input  logic [5:0]             map_i,
  input  logic [RowWidth-1:0]    index_i,   // row of the words
  input  logic [6:0]             zero_row_i,
  input  logic [63:0]            zero_bytes_i,
  input  logic [3:0]             slot_word_i,
  input  logic [511:0]           key_i,
  input  logic [511:0]           row_data_i,

  output logic                   row_o,
  output logic [RowWidth-1:0]    row_number_o,
  output logic [63:0]            row_write_o,
  output logic [511:0]           row_data_o
);

  logic [RowWidth-1:0] entry_at, image_to;
  assign entry_at = entry_row_i + RowWidth'(rows_before(node_i, shift_i));

  logic [2:0] value_row_of_image;
  assign value_row_of_image = image_i - 3'd1;

  // Where a row of the image goes: an entry's rows, or of per-CPU maps its key, and a lane's value.
  always_comb begin
    if (!per_cpu_i || image_i == 3'd0) image_to = entry_row_i + RowWidth'(rows_before(fresh_i, shift_i)) + RowWidth'(image_i);
    else begin
      image_to = value_row_i + RowWidth'(lane_i * cpu_rows_i) + RowWidth'(rows_before(fresh_i, value_shift_i)) +
                 RowWidth'(value_row_of_image);
    end
  end

  logic [3:0]  write_word;
  logic [31:0] write_value;
  logic [3:0]  write_bytes;

  always_comb begin
    row_o        = 1'b1;
    row_number_o = RowWidth'(TableRow) + RowWidth'(map_i);
    row_write_o  = '0;
    write_word   = node_i[3:0];
    write_value  = '0;
    write_bytes  = '0;
    unique case (state_i)
      Describe: ;
      Key, Image: row_number_o = RowWidth'(ScratchRow) + RowWidth'({thread_i, depth_i, 2'(image_i[1:0] + key_row_i)});
      Begin, Head: row_number_o = bucket_row_i + bucket_i;
      Entry:      row_number_o = entry_at;
      // Should the entry be another's, the next one's number is here with the comparison.
      EntryHere, Link: row_number_o = link_row_i + RowWidth'(node_i[23:4]);
      Fresh:      row_number_o = link_row_i + RowWidth'(fresh_i[23:4]);
      Element:    row_number_o = entry_row_i + index_i;
      // The last byte of a link says that the entry was used.
      Mark: begin
        row_number_o = link_row_i + RowWidth'(node_i[23:4]);
        write_value  = 32'h0100_0000;
        write_bytes  = 4'b1000;
      end
      ImageHere: begin
        row_number_o = image_to;
        row_write_o  = '1;
      end
      Zero: begin
        row_number_o = buffer_i + RowWidth'(zero_row_i);
        row_write_o  = zero_bytes_i;
      end
      SetLink: begin
        row_number_o = link_row_i + RowWidth'(is_delete_i ? node_i[23:4] : fresh_i[23:4]);
        write_word   = is_delete_i ? node_i[3:0] : fresh_i[3:0];
        write_value  = {7'd0, hit_i && !is_delete_i, is_delete_i ? free_i : hit_i ? next_i : 24'd0};
        write_bytes  = 4'b1111;
      end
      SetSlot: begin
        row_number_o = slot_row_i;
        write_word   = slot_word_i;
        write_value  = {8'd0, is_delete_i ? next_i : fresh_i};
        write_bytes  = 4'b0111;
      end
      // The list of free entries, or the spare one.
      SetHead: begin
        write_word  = hit_i && is_update_i ? 4'd10 : 4'd9;
        write_value = {8'd0, hit_i ? node_i : next_i};
        write_bytes = 4'b1111;
      end
      default: row_o = 1'b0;
    endcase
    if (write_bytes != '0) row_write_o = 64'(write_bytes) << {write_word, 2'd0};
  end

  assign row_data_o = state_i != ImageHere ? {16{write_value}} : zeros_i ? '0 : writing_i ? key_i : row_data_i;

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// Where the values of each map stand for a thread, by the map's number, or by a pointer to them: map n's values are
// region `region` + 2n + 1. What it finds is there a cycle later.
module forager_map_table #(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned RowWidth = 11
) (
  input  logic                   clk_i,

  input  logic                   write_i,
  input  logic [ThreadWidth+5:0] index_i,      // thread, map
  input  logic [RowWidth-1:0]    row_i,
  input  logic [21:0]            bytes_i,      // 0: not on the chip

  input  logic [23:0]            region_i,
  input  logic [ThreadWidth-1:0] thread_i,
  input  logic                   by_number_i,
  input  logic [5:0]             number_i,
  input  logic [23:0]            pointer_i,    // a pointer's region

  output logic                   found_o,
  output logic [RowWidth-1:0]    row_o,
  output logic [21:0]            bytes_o
);

  logic [RowWidth+21:0] entries [Threads*64];
  logic [RowWidth+21:0] entry;
  logic [23:0]          distance;
  logic [5:0]           number;

  assign distance = pointer_i - region_i;
  assign number   = by_number_i ? number_i : distance[6:1];
  assign entry    = entries[{thread_i, number}];

  always_ff @(posedge clk_i) begin
    if (write_i) entries[index_i] <= {row_i, bytes_i};
    found_o <= (by_number_i || (distance[0] && distance[23:7] == '0)) && entry[21:0] != 22'd0;
    row_o   <= entry[RowWidth+21:22];
    bytes_o <= entry[21:0];
  end

endmodule

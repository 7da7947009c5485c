// SPDX-License-Identifier: Apache-2.0
//
// The map engine, and the table that says where its answers' values stand. Data memory and whoever asks are the test's.
module map_engine #(
  localparam int unsigned Threads = 8,
  localparam int unsigned ThreadWidth = 3,
  localparam int unsigned PcWidth = 16,
  localparam int unsigned RowWidth = 13,
  localparam int unsigned ScratchRow = 512,  // behind a buffer for each thread
  localparam int unsigned TableRow = 768
) (
  input  logic                   clk_i, rst_i,
  input  logic [23:0]            region_i,
  input  logic [31:0]            seed_i,
  input  logic                   begin_i,
  input  logic [ThreadWidth-1:0] begin_thread_i,

  input  logic                   ask_i,
  input  logic [ThreadWidth-1:0] ask_thread_i,
  input  logic [PcWidth-1:0]     ask_pc_i,
  input  logic [2:0]             ask_depth_i,
  input  logic [3:0]             ask_fn_i,
  input  logic [14:0]            ask_with_i,
  input  logic [63:0]            ask_a_i, ask_b_i, ask_other_i,

  output logic                   answer_o,
  input  logic                   answer_ready_i,
  output logic                   answer_jump_o,
  output logic [ThreadWidth-1:0] answer_thread_o,  // of the operation at hand too
  output logic [63:0]            answer_value_o,

  output logic                   host_o,
  input  logic                   host_ready_i,
  output logic [ThreadWidth-1:0] host_thread_o,
  output logic [PcWidth-1:0]     host_pc_o,
  output logic [63:0]            host_a_o, host_b_o, host_other_o,
  input  logic                   host_done_i,
  input  logic [ThreadWidth-1:0] host_done_thread_i,

  input  logic                   native_i, whole_i,
  input  logic [12:0]            meta_i, data_i, end_i, lowest_i,
  output logic [2:0]             edge_o,
  output logic [12:0]            edge_value_o,
  output logic                   redirect_o,
  output logic [ThreadWidth-1:0] redirect_thread_o,
  output logic [1:0]             redirect_kind_o,
  output logic [5:0]             redirect_map_o,
  output logic [28:0]            redirect_value_o,

  output logic                   row_o,
  input  logic                   row_grant_i,
  output logic [RowWidth-1:0]    row_number_o,
  output logic [63:0]            row_write_o,
  output logic [511:0]           row_data_o,
  input  logic [511:0]           row_data_i,

  // Where the values of a map stand for a thread; and of an answer, a cycle after it.
  input  logic                   map_write_i,
  input  logic [ThreadWidth+5:0] map_index_i,
  input  logic [RowWidth-1:0]    map_row_i,
  input  logic [21:0]            map_bytes_i,
  output logic                   found_o,
  output logic [RowWidth-1:0]    found_row_o,
  output logic [21:0]            found_bytes_o
);

  forager_maps #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .PcWidth(PcWidth), .RowWidth(RowWidth), .ScratchRow(ScratchRow),
    .TableRow(TableRow)
  ) u_maps (
    .clk_i, .rst_i, .region_i, .seed_i, .begin_i, .begin_thread_i, .ask_i, .ask_thread_i, .ask_pc_i, .ask_depth_i, .ask_fn_i, .ask_with_i,
    .ask_a_i, .ask_b_i, .ask_other_i, .answer_o, .answer_ready_i, .answer_jump_o, .answer_thread_o, .answer_value_o,
    .host_o, .host_ready_i, .host_thread_o, .host_pc_o, .host_a_o, .host_b_o, .host_other_o, .host_done_i,
    .host_done_thread_i, .native_i, .whole_i, .meta_i, .data_i, .end_i, .lowest_i,
    .buffer_i(RowWidth'({answer_thread_o, 6'd0})), .edge_o, .edge_value_o, .redirect_o, .redirect_thread_o,
    .redirect_kind_o, .redirect_map_o, .redirect_value_o, .row_o, .row_grant_i, .row_number_o, .row_write_o, .row_data_o,
    .row_data_i
  );

  forager_map_table #(.Threads(Threads), .ThreadWidth(ThreadWidth), .RowWidth(RowWidth)) u_table (
    .clk_i, .write_i(map_write_i), .index_i(map_index_i), .row_i(map_row_i), .bytes_i(map_bytes_i), .region_i,
    .thread_i(answer_thread_o), .by_number_i(1'b0), .number_i(6'd0), .pointer_i(answer_value_o[63:40]),
    .found_o, .row_o(found_row_o), .bytes_o(found_bytes_o)
  );

endmodule

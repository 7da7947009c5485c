// SPDX-License-Identifier: Apache-2.0
//
// The way of a frame through the device without the core: port, ring of buffers, memory, way out. What would be the
// dispatcher, the threads and the host is the test's.
module frame_path #(
  localparam int unsigned Threads = 4,
  localparam int unsigned ThreadWidth = 2,
  localparam int unsigned Slots = 4,
  localparam int unsigned SlotWidth = 2,
  localparam int unsigned RowWidth = 8
) (
  input  logic         clk_i,
  input  logic         rst_i,
  input  logic         all_i,
  input  logic         busy_i,  // another has the memory's port, which frames coming in may take
  input  logic         taken_i,  // ... may not take
  input  logic [31:0]  cycle_i,

  input  logic         s_tvalid_i, s_tlast_i,
  output logic         s_tready_o,
  input  logic [511:0] s_tdata_i,
  input  logic [63:0]  s_tkeep_i,
  input  logic [79:0]  s_tuser_i,
  input  logic         inject_i,
  input  logic [31:0]  inject_tag_i,
  output logic         inject_ready_o,

  output logic         m_tvalid_o, m_tlast_o,
  input  logic         m_tready_i,
  output logic [511:0] m_tdata_o,
  output logic [63:0]  m_tkeep_o,
  output logic [255:0] m_tuser_o,

  output logic         waiting_o, waiting_bad_o, alone_o,
  input  logic         skip_i, begin_i,
  input  logic [ThreadWidth-1:0] begin_thread_i,

  input  logic [ThreadWidth-1:0] thread_i,
  output logic         native_o,
  output logic [12:0]  meta_o, data_o, end_o, arrived_o,
  output logic [31:0]  port_o, queue_o, tag_o,
  input  logic [3:0]   set_i,
  input  logic [23:0]  set_value_i,

  input  logic         finish_i,
  input  logic [ThreadWidth-1:0] finish_thread_i,
  input  logic [63:0]  finish_value_i,
  input  logic [3:0]   finish_cause_i,

  output logic         packet_o, trap_o, oversize_o, malformed_o
);

  logic                 room, take, take_native, take_known, grow, close, close_bad, write, leaving, leaving_bad;
  logic                 head_native, free, read, grant;
  logic [SlotWidth-1:0] tail, head;
  logic [12:0]          take_end, grow_to, head_meta, head_data, head_end;
  logic [31:0]          take_port, take_queue, take_tag;
  logic [63:0]          head_value;
  logic [3:0]           head_cause;
  logic [255:0]         head_user;
  logic [RowWidth-1:0]  write_row, read_row;
  logic [511:0]         write_data, read_data;

  forager_ingress #(.SlotWidth(SlotWidth), .RowWidth(RowWidth)) u_ingress (
    .clk_i, .rst_i, .tvalid_i(s_tvalid_i), .tready_o(s_tready_o), .tdata_i(s_tdata_i), .tkeep_i(s_tkeep_i),
    .tlast_i(s_tlast_i), .tuser_i(s_tuser_i), .inject_i, .inject_tag_i, .inject_ready_o,
    .room_i(room), .tail_i(tail), .take_o(take), .take_native_o(take_native), .take_known_o(take_known),
    .take_end_o(take_end), .take_port_o(take_port), .take_queue_o(take_queue), .take_tag_o(take_tag), .grow_o(grow),
    .grow_to_o(grow_to), .close_o(close), .close_bad_o(close_bad),
    .taken_i, .write_o(write), .write_row_o(write_row), .write_data_o(write_data), .oversize_o, .malformed_o
  );

  /* verilator lint_off PINCONNECTEMPTY */  // what the core alone wants to know
  forager_slots #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .Slots(Slots), .SlotWidth(SlotWidth), .PcWidth(16)
  ) u_slots (
    .clk_i, .rst_i, .cycle_i,
    .room_o(room), .tail_o(tail), .take_i(take), .take_native_i(take_native), .take_known_i(take_known),
    .take_end_i(take_end), .take_port_i(take_port), .take_queue_i(take_queue), .take_tag_i(take_tag), .grow_i(grow),
    .grow_to_i(grow_to), .close_i(close), .close_bad_i(close_bad),
    .waiting_o, .waiting_bad_o, .alone_o, .waiting_native_o(), .waiting_end_o(), .skip_i, .begin_i, .begin_thread_i,
    .thread_i, .slot_o(), .native_o, .region_o(), .meta_o, .data_o, .end_o, .arrived_o, .port_o, .queue_o,
    .look_thread_i(thread_i), .look_slot_o(), .look_tag_o(tag_o), .look_meta_o(), .look_data_o(), .look_end_o(),
    .look_region_o(), .set_i, .set_value_i,
    .finish_i, .finish_thread_i, .finish_value_i, .finish_cause_i, .finish_pc_i(16'd0),
    .leaving_o(leaving), .leaving_bad_o(leaving_bad), .head_o(head), .head_native_o(head_native),
    .head_meta_o(head_meta), .head_data_o(head_data), .head_end_o(head_end), .head_value_o(head_value),
    .head_cause_o(head_cause), .head_user_o(head_user), .free_i(free)
  );

  assign grant = read && !write && !busy_i && !taken_i;

  forager_dmem #(.Rows(Slots * 64), .RowWidth(RowWidth)) u_dmem (
    .clk_i, .core_valid_i(1'b0), .core_row_i('0), .core_next_i('0), .core_write_i('0), .core_data_i('0), .core_data_o(),
    .port_valid_i(write || read || busy_i || taken_i), .port_row_i(write ? write_row : busy_i || taken_i ? '0 : read_row),
    .port_write_i(write ? '1 : '0), .port_data_i(write_data), .port_data_o(read_data)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  forager_egress #(.SlotWidth(SlotWidth), .RowWidth(RowWidth)) u_egress (
    .clk_i, .rst_i, .all_i, .leaving_i(leaving), .bad_i(leaving_bad), .slot_i(head), .native_i(head_native),
    .meta_i(head_meta), .data_i(head_data), .end_i(head_end), .value_i(head_value), .cause_i(head_cause),
    .user_i(head_user), .free_o(free), .read_o(read), .grant_i(grant), .read_row_o(read_row), .read_data_i(read_data),
    .tvalid_o(m_tvalid_o), .tready_i(m_tready_i), .tdata_o(m_tdata_o), .tkeep_o(m_tkeep_o), .tlast_o(m_tlast_o),
    .tuser_o(m_tuser_o), .packet_o, .verdict_o(), .bytes_o(), .cause_o(), .trap_o
  );

endmodule

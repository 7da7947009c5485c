// SPDX-License-Identifier: Apache-2.0
//
// The device: one core with its memories, frames in and out on AXI4-Stream of 512 bits, registers on AXI4-Lite, memory on
// AXI4. ../doc/device.md has the picture.
module forager_device #(
  parameter int unsigned Threads = 8,        // a power of two, 2 to 16
  parameter int unsigned Slots = 16,         // packet buffers
  parameter int unsigned Bundles = 4096,     // of instruction memory
  parameter int unsigned MapRows = 30912,    // of 64 bytes, for maps
  localparam int unsigned ThreadWidth = $clog2(Threads),
  localparam int unsigned SlotWidth = $clog2(Slots),
  localparam int unsigned PcWidth = $clog2(Bundles),
  localparam int unsigned StackRow = Slots * 64,
  localparam int unsigned ScratchRow = StackRow + Threads * 64,
  localparam int unsigned TableRow = ScratchRow + Threads * 32,
  localparam int unsigned MapRow = TableRow + 64,
  localparam int unsigned Rows = MapRow + MapRows,
  localparam int unsigned RowWidth = $clog2(Rows)
) (
  input  logic         clk_i,
  input  logic         rst_i,

  input  logic         s_axil_awvalid, s_axil_wvalid, s_axil_bready, s_axil_arvalid, s_axil_rready,
  output logic         s_axil_awready, s_axil_wready, s_axil_bvalid, s_axil_arready, s_axil_rvalid,
  input  logic [11:0]  s_axil_awaddr, s_axil_araddr,
  input  logic [31:0]  s_axil_wdata,
  output logic [1:0]   s_axil_bresp, s_axil_rresp,
  output logic [31:0]  s_axil_rdata,
  output logic         interrupt_o,

  input  logic         s_axi_awvalid, s_axi_wvalid, s_axi_wlast, s_axi_bready, s_axi_arvalid, s_axi_rready,
  output logic         s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid, s_axi_rlast,
  input  logic [31:0]  s_axi_awaddr, s_axi_araddr,
  input  logic [511:0] s_axi_wdata,
  input  logic [63:0]  s_axi_wstrb,
  input  logic [7:0]   s_axi_arlen,
  output logic [511:0] s_axi_rdata,

  input  logic         s_axis_tvalid, s_axis_tlast,
  output logic         s_axis_tready,
  input  logic [511:0] s_axis_tdata,
  input  logic [63:0]  s_axis_tkeep,
  input  logic [79:0]  s_axis_tuser,

  output logic         m_axis_tvalid, m_axis_tlast,
  input  logic         m_axis_tready,
  output logic [511:0] m_axis_tdata,
  output logic [63:0]  m_axis_tkeep,
  output logic [255:0] m_axis_tuser,

  // Threads that begin a packet, and retired bundles: for simulation, to be left open.
  output logic         trace_start_o,
  output logic [7:0]   trace_start_thread_o,
  output logic         trace_valid_o,
  output logic [7:0]   trace_thread_o,
  output logic [15:0]  trace_pc_o,
  output logic [1:0]   trace_write_o,
  output logic [7:0]   trace_register_o,
  output logic [127:0] trace_value_o
);

  logic                   run, serial, all;
  logic [7:0]             threads;
  logic [PcWidth-1:0]     entry, long_entry;
  logic [12:0]            long_bytes, waiting_end;
  logic                   waiting_native, long;
  logic [3:0]             clear_rows, clear_frames;
  logic [21:0]            budget;
  logic [31:0]            cycle;
  logic [63:0]            now;
  logic [7:0]             cpu;

  // ---- what the parts tell each other of maps ----

  logic                   map_ask, map_answer, map_ready, map_jump, redirect, map_asks_host;
  logic [2:0]             map_depth;
  logic [3:0]             map_fn;
  logic [14:0]            map_with;
  logic [63:0]            map_a, map_value, map_host_a, map_host_b, map_host_other;
  logic [ThreadWidth-1:0] map_thread, redirect_thread, map_host_thread;
  logic [PcWidth-1:0]     map_host_pc;
  logic [1:0]             redirect_kind;
  logic [5:0]             redirect_map;
  logic [28:0]            redirect_value;
  logic                   edge_native, edge_whole;
  logic [12:0]            edge_meta, edge_data, edge_end, edge_lowest, edge_value;
  logic [SlotWidth-1:0]   edge_slot;
  logic [2:0]             edge_set;

  // ---- the ring of packets ----

  logic                   room, take, take_native, take_known, grow, close, close_bad, inject, inject_ready;
  logic [SlotWidth-1:0]   tail, slot, look_slot, head;
  logic [12:0]            take_end, grow_to;
  logic [31:0]            take_port, take_queue, take_tag, inject_tag, slot_port, slot_queue, look_tag;
  logic                   waiting, waiting_bad, alone, skip, start, slot_native;
  logic [ThreadWidth-1:0] start_thread, slot_thread, look_thread, end_thread;
  logic [23:0]            slot_region, look_region, set_value;
  logic [12:0]            slot_meta, slot_data, slot_end, slot_arrived, look_meta, look_data, look_end, head_meta, head_data, head_end;
  logic [3:0]             set, end_cause, head_cause;
  logic                   ends, leaving, leaving_bad, head_native, free;
  logic [63:0]            end_value, head_value;
  logic [PcWidth-1:0]     end_pc;
  logic [255:0]           head_user;

  forager_slots #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .Slots(Slots), .SlotWidth(SlotWidth), .PcWidth(PcWidth)
  ) u_slots (
    .clk_i, .rst_i, .cycle_i(cycle),
    .room_o(room), .tail_o(tail), .take_i(take), .take_native_i(take_native), .take_known_i(take_known),
    .take_end_i(take_end), .take_port_i(take_port), .take_queue_i(take_queue), .take_tag_i(take_tag), .grow_i(grow),
    .grow_to_i(grow_to), .close_i(close), .close_bad_i(close_bad),
    .waiting_o(waiting), .waiting_bad_o(waiting_bad), .waiting_native_o(waiting_native), .waiting_end_o(waiting_end),
    .alone_o(alone), .skip_i(skip), .begin_i(start),
    .begin_thread_i(start_thread),
    .thread_i(slot_thread), .slot_o(slot), .native_o(slot_native), .region_o(slot_region), .meta_o(slot_meta),
    .data_o(slot_data), .end_o(slot_end), .arrived_o(slot_arrived), .port_o(slot_port), .queue_o(slot_queue),
    .look_thread_i(look_thread), .look_slot_o(look_slot), .look_tag_o(look_tag), .look_meta_o(look_meta),
    .look_data_o(look_data), .look_end_o(look_end), .look_region_o(look_region), .set_i(set), .set_value_i(set_value),
    .edge_thread_i(redirect_thread), .edge_native_o(edge_native), .edge_whole_o(edge_whole), .edge_meta_o(edge_meta), .edge_data_o(edge_data),
    .edge_end_o(edge_end), .edge_lowest_o(edge_lowest), .edge_slot_o(edge_slot), .edge_set_i(edge_set), .edge_value_i(edge_value),
    .redirect_i(redirect), .redirect_thread_i(redirect_thread), .redirect_to_i({redirect_value, redirect_map, redirect_kind}),
    .finish_i(ends), .finish_thread_i(end_thread), .finish_value_i(end_value), .finish_cause_i(end_cause),
    .finish_pc_i(end_pc),
    .leaving_o(leaving), .leaving_bad_o(leaving_bad), .head_o(head), .head_native_o(head_native),
    .head_meta_o(head_meta), .head_data_o(head_data), .head_end_o(head_end), .head_value_o(head_value), .head_cause_o(head_cause),
    .head_user_o(head_user), .free_i(free)
  );

  // ---- data memory: the port's side belongs to atomics, then frames coming in, fresh stacks, frames going out, maps, the host ----

  logic                update, wanted;
  logic [3:0]          denied_q;  // cycles, one after the other, in which atomics had the port and somebody wanted it
  logic [RowWidth-1:0] update_row;
  logic [63:0]         update_write;
  logic [127:0]        update_data;

  logic                in_write, clear_write, out_read, dma_row, dma_is_write;
  logic [RowWidth-1:0] in_row, clear_row, out_row, dma_number, port_row;
  logic [511:0]        in_data, port_data, port_q;
  logic [63:0]         dma_strobe, port_write;
  logic                clear_grant, out_grant, map_grant, dma_grant, map_row_valid;
  logic [RowWidth-1:0] map_row_number;
  logic [63:0]         map_row_write;
  logic [511:0]        map_row_data;

  assign wanted = s_axis_tvalid || clear_write || out_read || map_row_valid || dma_row;
  always_ff @(posedge clk_i) denied_q <= !update || !wanted || rst_i ? 4'd0 : denied_q[3] ? denied_q : denied_q + 4'd1;

  assign clear_grant = clear_write && !in_write && !update;
  assign out_grant   = out_read && !in_write && !update && !clear_write;
  assign map_grant   = map_row_valid && !in_write && !update && !clear_write && !out_read;
  assign dma_grant   = dma_row && !in_write && !update && !clear_write && !out_read && !map_row_valid;

  always_comb begin
    port_row   = dma_number;
    port_write = dma_grant && dma_is_write ? dma_strobe : 64'd0;
    port_data  = s_axi_wdata;
    if (update) begin
      port_row   = update_row;
      port_write = update_write;
      port_data  = {4{update_data}};
    end else if (in_write) begin
      port_row   = in_row;
      port_write = '1;
      port_data  = in_data;
    end else if (clear_write) begin
      port_row   = clear_row;
      port_write = '1;
      port_data  = '0;
    end else if (out_read) begin
      port_row   = out_row;
      port_write = '0;
    end else if (map_row_valid) begin
      port_row   = map_row_number;
      port_write = map_row_write;
      port_data  = map_row_data;
    end
  end

  logic                oversize, malformed, packet;
  logic [2:0]          ended_verdict;
  logic [12:0]         ended_bytes;
  logic [3:0]          ended_cause;
  /* verilator lint_off UNUSEDSIGNAL */
  logic                trap;  // is counted by its cause
  /* verilator lint_on UNUSEDSIGNAL */

  forager_ingress #(.SlotWidth(SlotWidth), .RowWidth(RowWidth)) u_ingress (
    .clk_i, .rst_i, .tvalid_i(s_axis_tvalid), .tready_o(s_axis_tready), .tdata_i(s_axis_tdata),
    .tkeep_i(s_axis_tkeep), .tlast_i(s_axis_tlast), .tuser_i(s_axis_tuser),
    .inject_i(inject), .inject_tag_i(inject_tag), .inject_ready_o(inject_ready),
    .room_i(room), .tail_i(tail), .take_o(take), .take_native_o(take_native), .take_known_o(take_known),
    .take_end_o(take_end), .take_port_o(take_port), .take_queue_o(take_queue), .take_tag_o(take_tag), .grow_o(grow),
    .grow_to_o(grow_to), .close_o(close), .close_bad_o(close_bad),
    .taken_i(update), .write_o(in_write), .write_row_o(in_row), .write_data_o(in_data), .oversize_o(oversize), .malformed_o(malformed)
  );

  logic [Threads-1:0]     idle;
  logic [ThreadWidth-1:0] begin_thread;
  assign start_thread = begin_thread;

  forager_dispatch #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .RowWidth(RowWidth), .StackRow(StackRow)
  ) u_dispatch (
    .clk_i, .rst_i, .run_i(run), .serial_i(serial), .threads_i(threads), .clear_rows_i(clear_rows),
    .clear_frames_i(clear_frames), .long_bytes_i(long_bytes), .waiting_i(waiting), .waiting_bad_i(waiting_bad),
    .alone_i(alone), .native_i(waiting_native), .end_i(waiting_end), .skip_o(skip), .begin_o(start), .idle_i(idle),
    .thread_o(begin_thread), .long_o(long), .write_o(clear_write), .grant_i(clear_grant), .write_row_o(clear_row)
  );

  forager_egress #(.SlotWidth(SlotWidth), .RowWidth(RowWidth)) u_egress (
    .clk_i, .rst_i, .all_i(all), .leaving_i(leaving), .bad_i(leaving_bad), .slot_i(head), .native_i(head_native),
    .meta_i(head_meta), .data_i(head_data), .end_i(head_end), .value_i(head_value), .cause_i(head_cause), .user_i(head_user),
    .free_o(free), .read_o(out_read), .grant_i(out_grant), .read_row_o(out_row), .read_data_i(port_q),
    .tvalid_o(m_axis_tvalid), .tready_i(m_axis_tready), .tdata_o(m_axis_tdata), .tkeep_o(m_axis_tkeep),
    .tlast_o(m_axis_tlast), .tuser_o(m_axis_tuser), .packet_o(packet), .verdict_o(ended_verdict), .bytes_o(ended_bytes),
    .cause_o(ended_cause), .trap_o(trap)
  );

  // ---- the core and its memories ----

  logic [PcWidth-1:0]     fetch_pc, bundle, request_pc, answer_pc, trace_pc;
  logic [143:0]           fetch, bundle_data;
  logic                   bundle_write, data_valid, request, answer, answer_ready, issued, no_work, replayed;
  logic [2:0]             stall;
  logic [1:0]             used;
  logic [RowWidth-1:0]    data_row;
  logic [7:0]             data_next;
  logic [63:0]            data_write, request_address, request_data, request_other, answer_value;
  logic [511:0]           data_to, data_from;
  logic [ThreadWidth-1:0] request_thread, trace_thread;
  logic [1:0]             answer_kind;
  logic [2:0]             look_depth;
  logic [23:0]            map_region;
  logic                   map_write;
  logic [ThreadWidth+5:0] map_index;
  logic [RowWidth-1:0]    map_row;
  logic [21:0]            map_bytes;
  logic [31:0]            map_seed;

  forager_imem #(.Bundles(Bundles), .PcWidth(PcWidth)) u_imem (
    .clk_i, .write_i(bundle_write), .write_pc_i(bundle), .write_data_i(bundle_data), .pc_i(fetch_pc), .bundle_o(fetch)
  );

  forager_dmem #(.Rows(Rows), .RowWidth(RowWidth)) u_dmem (
    .clk_i, .core_valid_i(data_valid), .core_row_i(data_row), .core_next_i(data_next), .core_write_i(data_write),
    .core_data_i(data_to), .core_data_o(data_from),
    .port_valid_i(update || in_write || clear_write || out_read || map_row_valid || dma_row), .port_row_i(port_row), .port_write_i(port_write),
    .port_data_i(port_data), .port_data_o(port_q)
  );

  forager_core #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .SlotWidth(SlotWidth), .PcWidth(PcWidth), .RowWidth(RowWidth),
    .StackRow(StackRow), .ScratchRow(ScratchRow)
  ) u_core (
    .clk_i, .rst_i, .run_i(run), .yield_i(denied_q[3]), .budget_i(budget), .cycle_i(cycle), .time_i(now), .cpu_i(cpu),
    .start_i(start), .start_thread_i(start_thread), .start_pc_i(long ? long_entry : entry), .idle_o(idle),
    .end_o(ends), .end_thread_o(end_thread), .end_value_o(end_value), .end_cause_o(end_cause), .end_pc_o(end_pc),
    .slot_thread_o(slot_thread), .slot_i(slot), .slot_native_i(slot_native), .slot_region_i(slot_region),
    .slot_meta_i(slot_meta), .slot_data_i(slot_data), .slot_end_i(slot_end), .slot_arrived_i(slot_arrived),
    .slot_port_i(slot_port), .slot_queue_i(slot_queue),
    .fetch_pc_o(fetch_pc), .fetch_i(fetch),
    .data_valid_o(data_valid), .data_row_o(data_row), .data_next_o(data_next), .data_write_o(data_write),
    .data_o(data_to), .data_i(data_from), .update_o(update), .update_row_o(update_row), .update_write_o(update_write),
    .update_data_o(update_data),
    .request_o(request), .request_thread_o(request_thread), .request_pc_o(request_pc),
    .request_address_o(request_address), .request_data_o(request_data), .request_other_o(request_other),
    .answer_i(answer), .answer_ready_o(answer_ready), .answer_kind_i(answer_kind), .answer_thread_i(look_thread),
    .answer_value_i(answer_value), .answer_pc_i(answer_pc), .look_thread_i(look_thread), .look_depth_o(look_depth),
    .map_region_i(map_region), .map_write_i(map_write), .map_index_i(map_index), .map_row_i(map_row),
    .map_bytes_i(map_bytes),
    .map_ask_o(map_ask), .map_depth_o(map_depth), .map_fn_o(map_fn), .map_with_o(map_with), .map_a_o(map_a),
    .map_answer_i(map_answer), .map_ready_o(map_ready), .map_jump_i(map_jump), .map_thread_i(map_thread),
    .map_value_i(map_value), .issued_o(issued), .stall_o(stall), .empty_o(no_work), .used_o(used), .replayed_o(replayed),
    .trace_valid_o, .trace_thread_o(trace_thread), .trace_pc_o(trace_pc), .trace_write_o, .trace_register_o,
    .trace_value_o
  );
  assign trace_start_o        = start;
  assign trace_start_thread_o = 8'(start_thread);
  assign trace_thread_o = 8'(trace_thread);
  assign trace_pc_o     = 16'(trace_pc);

  // ---- the map engine ----

  forager_maps #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .PcWidth(PcWidth), .RowWidth(RowWidth), .ScratchRow(ScratchRow),
    .TableRow(TableRow)
  ) u_maps (
    .clk_i, .rst_i, .region_i(map_region), .seed_i(map_seed), .begin_i(start), .begin_thread_i(start_thread),
    .ask_i(map_ask), .ask_thread_i(request_thread), .ask_pc_i(request_pc), .ask_depth_i(map_depth), .ask_fn_i(map_fn),
    .ask_with_i(map_with), .ask_a_i(map_a), .ask_b_i(request_data), .ask_other_i(request_other),
    .answer_o(map_answer), .answer_ready_i(map_ready), .answer_jump_o(map_jump), .answer_thread_o(map_thread),
    .answer_value_o(map_value),
    .host_o(map_asks_host), .host_ready_i(!request), .host_thread_o(map_host_thread), .host_pc_o(map_host_pc),
    .host_a_o(map_host_a), .host_b_o(map_host_b), .host_other_o(map_host_other),
    .host_done_i(answer && answer_ready), .host_done_thread_i(look_thread),
    .native_i(edge_native), .whole_i(edge_whole), .meta_i(edge_meta), .data_i(edge_data), .end_i(edge_end),
    .lowest_i(edge_lowest), .buffer_i(RowWidth'({edge_slot, 6'd0})), .edge_o(edge_set), .edge_value_o(edge_value),
    .redirect_o(redirect), .redirect_thread_o(redirect_thread), .redirect_kind_o(redirect_kind),
    .redirect_map_o(redirect_map), .redirect_value_o(redirect_value),
    .row_o(map_row_valid), .row_grant_i(map_grant), .row_number_o(map_row_number), .row_write_o(map_row_write),
    .row_data_o(map_row_data), .row_data_i(port_q)
  );

  // ---- the host ----

  logic [11:0] counter_address;
  logic        counter_known;
  logic [31:0] counter;

  forager_csr #(
    .Threads(Threads), .ThreadWidth(ThreadWidth), .Slots(Slots), .SlotWidth(SlotWidth), .PcWidth(PcWidth),
    .Bundles(Bundles), .StackRow(StackRow), .ScratchRow(ScratchRow), .TableRow(TableRow), .MapRow(MapRow), .MapRows(MapRows), .RowWidth(RowWidth)
  ) u_csr (
    .clk_i, .rst_i, .awvalid_i(s_axil_awvalid), .awready_o(s_axil_awready), .awaddr_i(s_axil_awaddr),
    .wvalid_i(s_axil_wvalid), .wready_o(s_axil_wready), .wdata_i(s_axil_wdata), .bvalid_o(s_axil_bvalid),
    .bready_i(s_axil_bready), .bresp_o(s_axil_bresp), .arvalid_i(s_axil_arvalid), .arready_o(s_axil_arready),
    .araddr_i(s_axil_araddr), .rvalid_o(s_axil_rvalid), .rready_i(s_axil_rready), .rdata_o(s_axil_rdata),
    .rresp_o(s_axil_rresp), .interrupt_o,
    .run_o(run), .serial_o(serial), .all_o(all), .threads_o(threads), .entry_o(entry), .long_entry_o(long_entry),
    .long_bytes_o(long_bytes), .clear_rows_o(clear_rows),
    .clear_frames_o(clear_frames), .budget_o(budget), .time_o(now), .cpu_o(cpu),
    .inject_o(inject), .inject_tag_o(inject_tag), .inject_ready_i(inject_ready),
    .request_i(request || map_asks_host), .request_thread_i(request ? request_thread : map_host_thread),
    .request_pc_i(request ? request_pc : map_host_pc), .request_address_i(request ? request_address : map_host_a),
    .request_data_i(request ? request_data : map_host_b), .request_other_i(request ? request_other : map_host_other),
    .answer_o(answer), .answer_ready_i(answer_ready), .answer_kind_o(answer_kind), .answer_value_o(answer_value),
    .answer_pc_o(answer_pc),
    .select_o(look_thread), .look_slot_i(look_slot), .look_depth_i(look_depth), .look_tag_i(look_tag),
    .look_meta_i(look_meta), .look_data_i(look_data), .look_end_i(look_end), .look_region_i(look_region), .set_o(set),
    .set_value_o(set_value),
    .map_region_o(map_region), .map_write_o(map_write), .map_index_o(map_index), .map_row_o(map_row),
    .map_bytes_o(map_bytes), .map_seed_o(map_seed), .counter_address_o(counter_address),
    .counter_known_i(counter_known), .counter_i(counter)
  );

  forager_counters u_counters (
    .clk_i, .rst_i, .run_i(run), .issued_i(issued), .stall_i(stall), .idle_i(no_work), .used_i(used),
    .request_i(request || map_asks_host), .replayed_i(replayed), .oversize_i(oversize), .malformed_i(malformed),
    .packet_i(packet), .verdict_i(ended_verdict), .bytes_i(ended_bytes), .cause_i(ended_cause), .cycle_o(cycle),
    .read_i(s_axil_arvalid), .address_i(counter_address), .known_o(counter_known), .value_o(counter)
  );

  forager_dma #(.RowWidth(RowWidth), .PcWidth(PcWidth)) u_dma (
    .clk_i, .rst_i, .awvalid_i(s_axi_awvalid), .awready_o(s_axi_awready), .awaddr_i(s_axi_awaddr),
    .araddr_i(s_axi_araddr), .wvalid_i(s_axi_wvalid), .wready_o(s_axi_wready), .wdata_i(s_axi_wdata),
    .wstrb_i(s_axi_wstrb), .wlast_i(s_axi_wlast), .bvalid_o(s_axi_bvalid), .bready_i(s_axi_bready),
    .arvalid_i(s_axi_arvalid), .arready_o(s_axi_arready), .arlen_i(s_axi_arlen), .rvalid_o(s_axi_rvalid),
    .rready_i(s_axi_rready), .rdata_o(s_axi_rdata), .rlast_o(s_axi_rlast),
    .bundle_write_o(bundle_write), .bundle_o(bundle), .bundle_data_o(bundle_data),
    .row_o(dma_row), .row_grant_i(dma_grant), .row_is_write_o(dma_is_write), .row_number_o(dma_number),
    .row_strobe_o(dma_strobe), .row_data_i(port_q)
  );

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// The registers (forager_regs_pkg, docs: hw/doc/registers.md) on AXI4-Lite of 32 bits, one access at a time, and the
// requests of threads that wait for the host.
module forager_csr
  import forager_regs_pkg::*;
#(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned Slots = 16,
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned PcWidth = 16,
  parameter int unsigned Bundles = 4096,
  parameter int unsigned StackRow = 1024,
  parameter int unsigned ScratchRow = 1536,
  parameter int unsigned TableRow = 1664,
  parameter int unsigned MapRow = 1728,
  parameter int unsigned MapRows = 2048,
  parameter int unsigned RowWidth = 12
) (
  input  logic                   clk_i,
  input  logic                   rst_i,

  input  logic                   awvalid_i,
  output logic                   awready_o,
  input  logic [11:0]            awaddr_i,
  input  logic                   wvalid_i,
  output logic                   wready_o,
  input  logic [31:0]            wdata_i,
  output logic                   bvalid_o,
  input  logic                   bready_i,
  output logic [1:0]             bresp_o,
  input  logic                   arvalid_i,
  output logic                   arready_o,
  input  logic [11:0]            araddr_i,
  output logic                   rvalid_o,
  input  logic                   rready_i,
  output logic [31:0]            rdata_o,
  output logic [1:0]             rresp_o,
  output logic                   interrupt_o,

  output logic                   run_o, serial_o, all_o,
  output logic [7:0]             threads_o,
  output logic [PcWidth-1:0]     entry_o, long_entry_o,
  output logic [12:0]            long_bytes_o,
  output logic [3:0]             clear_rows_o, clear_frames_o,
  output logic [21:0]            budget_o,
  output logic [63:0]            time_o,
  output logic [7:0]             cpu_o,

  output logic                   inject_o,
  output logic [31:0]            inject_tag_o,
  input  logic                   inject_ready_i,

  input  logic                   request_i,
  input  logic [ThreadWidth-1:0] request_thread_i,
  input  logic [PcWidth-1:0]     request_pc_i,
  input  logic [63:0]            request_address_i, request_data_i, request_other_i,
  output logic                   answer_o,
  input  logic                   answer_ready_i,
  output logic [1:0]             answer_kind_o,
  output logic [63:0]            answer_value_o,
  output logic [PcWidth-1:0]     answer_pc_o,

  output logic [ThreadWidth-1:0] select_o,
  input  logic [SlotWidth-1:0]   look_slot_i,
  input  logic [2:0]             look_depth_i,
  input  logic [31:0]            look_tag_i,
  input  logic [12:0]            look_meta_i, look_data_i, look_end_i,
  input  logic [23:0]            look_region_i,
  output logic [3:0]             set_o,
  output logic [23:0]            set_value_o,

  output logic [23:0]            map_region_o,
  output logic                   map_write_o,
  output logic [ThreadWidth+5:0] map_index_o,
  output logic [RowWidth-1:0]    map_row_o,
  output logic [21:0]            map_bytes_o,
  output logic [31:0]            map_seed_o,

  output logic [11:0]            counter_address_o,
  input  logic                   counter_known_i,
  input  logic [31:0]            counter_i
);

  logic [Threads-1:0]     pending_q;
  logic [PcWidth-1:0]     pc_q [Threads];
  logic [63:0]            address_q [Threads];
  logic [63:0]            data_q [Threads];
  logic [63:0]            other_q [Threads];

  // ---- writes ----

  logic        write, held, write_known;
  logic [31:0] time_high_q;
  logic [7:0]  time_step_q;
  logic [11:0] at;

  assign at        = awaddr_i;
  assign held      = (at == RegInject && !inject_ready_i) || (at == RegAnswer && !answer_ready_i);
  assign write     = awvalid_i && wvalid_i && !bvalid_o && !held;
  assign awready_o = write;
  assign wready_o  = write;

  assign inject_o      = awvalid_i && wvalid_i && !bvalid_o && at == RegInject;
  assign inject_tag_o  = wdata_i;
  // Asked before it is ready, so that readiness may depend on it.
  assign answer_o      = awvalid_i && wvalid_i && !bvalid_o && at == RegAnswer && pending_q[select_o] && answer_ready_i;
  assign answer_kind_o = wdata_i[1:0];
  assign map_write_o   = write && at == RegMapBytes;
  assign map_bytes_o   = wdata_i[21:0];
  assign set_value_o   = wdata_i[23:0];
  assign set_o = {write && at == RegThreadRegion, write && at == RegThreadEnd, write && at == RegThreadData,
                  write && at == RegThreadMeta};

  always_comb begin
    unique case (at)
      RegControl, RegEntry, RegLongEntry, RegLongBytes, RegClearRows, RegClearFrames, RegBudget, RegInject, RegSelect, RegThreadMeta,
      RegThreadData, RegThreadEnd, RegThreadRegion, RegMapRegion, RegMapIndex, RegMapRow, RegMapBytes, RegMapSeed, RegCpu, RegTimeStep, RegTime, RegTime + 12'd4, RegAnswerValue, RegAnswerValue + 12'd4, RegAnswerPc, RegAnswer:
        write_known = 1'b1;
      default: write_known = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (write) begin
      bvalid_o <= 1'b1;
      bresp_o  <= write_known ? 2'b00 : 2'b10;
      unique case (at)
        RegControl: begin
          {all_o, serial_o, run_o} <= wdata_i[2:0];
          threads_o                <= wdata_i[15:8];
        end
        RegEntry:               entry_o               <= PcWidth'(wdata_i);
        RegLongEntry:           long_entry_o          <= PcWidth'(wdata_i);
        RegLongBytes:           long_bytes_o          <= wdata_i[12:0];
        RegClearRows:           clear_rows_o          <= wdata_i[3:0];
        RegClearFrames:         clear_frames_o        <= wdata_i[3:0];
        RegBudget:              budget_o              <= wdata_i[21:0];
        RegSelect:              select_o              <= ThreadWidth'(wdata_i);
        RegAnswerValue:         answer_value_o[31:0]  <= wdata_i;
        RegAnswerValue + 12'd4: answer_value_o[63:32] <= wdata_i;
        RegAnswerPc:            answer_pc_o           <= PcWidth'(wdata_i);
        RegMapRegion:           map_region_o          <= wdata_i[23:0];
        RegMapIndex:            map_index_o           <= (ThreadWidth+6)'(wdata_i);
        RegMapRow:              map_row_o             <= RowWidth'(wdata_i);
        RegMapSeed:             map_seed_o            <= wdata_i;
        RegCpu:                 cpu_o                 <= wdata_i[7:0];
        RegTimeStep:            time_step_q           <= wdata_i[7:0];
        RegTime + 12'd4:        time_high_q           <= wdata_i;
        default: ;
      endcase
    end else if (bready_i) begin
      bvalid_o <= 1'b0;
    end
    if (rst_i) begin
      bvalid_o       <= 1'b0;
      run_o          <= 1'b0;
      serial_o       <= 1'b0;
      all_o          <= 1'b0;
      threads_o      <= 8'(Threads);
      entry_o        <= '0;
      long_entry_o   <= '0;
      long_bytes_o   <= '1;
      clear_rows_o   <= 4'd8;
      clear_frames_o <= 4'd8;
      budget_o       <= '0;
      cpu_o          <= '0;
      time_step_q    <= '0;
      select_o       <= '0;
    end
  end

  // ---- requests ----

  assign interrupt_o = pending_q != '0;

  always_ff @(posedge clk_i) begin
    if (request_i) begin
      pending_q[request_thread_i] <= 1'b1;
      pc_q[request_thread_i]      <= request_pc_i;
      address_q[request_thread_i] <= request_address_i;
      data_q[request_thread_i]    <= request_data_i;
      other_q[request_thread_i]   <= request_other_i;
    end
    if (answer_o) pending_q[select_o] <= 1'b0;
    if (rst_i) pending_q <= '0;
  end

  // ---- time ----

  always_ff @(posedge clk_i) begin
    if (write && at == RegTime) time_o <= {time_high_q, wdata_i};
    else time_o <= time_o + 64'(time_step_q);
    if (rst_i) time_o <= '0;
  end

  // ---- reads ----

  logic [31:0] value;
  logic        read_known;
  assign counter_address_o = araddr_i;

  always_comb begin
    read_known = 1'b1;
    value      = 32'd0;
    unique case (araddr_i)
      RegId:                      value = 32'h46524752;
      RegThreads:                 value = 32'(Threads);
      RegSlots:                   value = 32'(Slots);
      RegBundles:                 value = 32'(Bundles);
      RegStackRow:                value = 32'(StackRow);
      RegScratchRow:              value = 32'(ScratchRow);
      RegMapMemoryRow:            value = 32'(MapRow);
      RegMapTableRow:             value = 32'(TableRow);
      RegCpu:                     value = 32'(cpu_o);
      RegTimeStep:                value = 32'(time_step_q);
      RegTime:                    value = time_o[31:0];
      RegTime + 12'd4:            value = time_o[63:32];
      RegMapMemoryRows:           value = 32'(MapRows);
      RegControl:                 value = {16'd0, threads_o, 5'd0, all_o, serial_o, run_o};
      RegEntry:                   value = 32'(entry_o);
      RegLongEntry:               value = 32'(long_entry_o);
      RegLongBytes:               value = 32'(long_bytes_o);
      RegClearRows:               value = 32'(clear_rows_o);
      RegClearFrames:             value = 32'(clear_frames_o);
      RegBudget:                  value = 32'(budget_o);
      RegPending:                 value = 32'(pending_q);
      RegSelect:                  value = 32'(select_o);
      RegThreadSlot:              value = 32'(look_slot_i);
      RegThreadDepth:             value = 32'(look_depth_i);
      RegThreadTag:               value = look_tag_i;
      RegRequestPc:               value = 32'(pc_q[select_o]);
      RegRequestAddress:          value = address_q[select_o][31:0];
      RegRequestAddress + 12'd4:  value = address_q[select_o][63:32];
      RegRequestData:             value = data_q[select_o][31:0];
      RegRequestData + 12'd4:     value = data_q[select_o][63:32];
      RegRequestOther:            value = other_q[select_o][31:0];
      RegRequestOther + 12'd4:    value = other_q[select_o][63:32];
      RegThreadMeta:              value = 32'(look_meta_i);
      RegThreadData:              value = 32'(look_data_i);
      RegThreadEnd:               value = 32'(look_end_i);
      RegThreadRegion:            value = 32'(look_region_i);
      default: begin
        value      = counter_i;
        read_known = counter_known_i;
      end
    endcase
  end

  assign arready_o = !rvalid_o;
  always_ff @(posedge clk_i) begin
    if (arvalid_i && arready_o) begin
      rvalid_o <= 1'b1;
      rdata_o  <= value;
      rresp_o  <= read_known ? 2'b00 : 2'b10;
    end else if (rready_i) begin
      rvalid_o <= 1'b0;
    end
    if (rst_i) rvalid_o <= 1'b0;
  end

endmodule

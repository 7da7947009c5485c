// SPDX-License-Identifier: Apache-2.0
//
// Sixteen registers of 64 bits for each thread, four reads and two writes a cycle. Each lane writes a memory of its own,
// and a table says for each register which of them has its value, or that it was not written since the thread began:
// such registers read as zero. Reads are combinational; a value can be read the cycle after it was written.
module forager_regfile #(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3
) (
  input  logic                   clk_i,

  input  logic                   clear_i,  // a thread begins
  input  logic [ThreadWidth-1:0] clear_thread_i,

  input  logic [ThreadWidth-1:0] read_thread_i,
  input  logic [3:0]             a0_i, b0_i, a1_i, b1_i,
  output logic [63:0]            a0_o, b0_o, a1_o, b1_o,

  input  logic [ThreadWidth-1:0] write_thread_i,
  input  logic                   write0_i,
  input  logic [3:0]             d0_i,
  input  logic [63:0]            value0_i,
  input  logic                   write1_i,
  input  logic [3:0]             d1_i,
  input  logic [63:0]            value1_i
);

  localparam int unsigned Depth = Threads * 16;

  logic [63:0]      lane0 [Depth];
  logic [63:0]      lane1 [Depth];
  logic [Depth-1:0] written_q;
  logic [Depth-1:0] newer_q;  // in lane1

  logic [ThreadWidth+3:0] a0, b0, a1, b1, d0, d1;
  assign a0 = {read_thread_i, a0_i};
  assign b0 = {read_thread_i, b0_i};
  assign a1 = {read_thread_i, a1_i};
  assign b1 = {read_thread_i, b1_i};
  assign d0 = {write_thread_i, d0_i};
  assign d1 = {write_thread_i, d1_i};

  assign a0_o = !written_q[a0] ? 64'd0 : newer_q[a0] ? lane1[a0] : lane0[a0];
  assign b0_o = !written_q[b0] ? 64'd0 : newer_q[b0] ? lane1[b0] : lane0[b0];
  assign a1_o = !written_q[a1] ? 64'd0 : newer_q[a1] ? lane1[a1] : lane0[a1];
  assign b1_o = !written_q[b1] ? 64'd0 : newer_q[b1] ? lane1[b1] : lane0[b1];

  always_ff @(posedge clk_i) if (write0_i) lane0[d0] <= value0_i;
  always_ff @(posedge clk_i) if (write1_i) lane1[d1] <= value1_i;

  always_ff @(posedge clk_i) begin
    if (write0_i) begin
      written_q[d0] <= 1'b1;
      newer_q[d0]   <= 1'b0;
    end
    if (write1_i) begin
      written_q[d1] <= 1'b1;
      newer_q[d1]   <= 1'b1;
    end
    if (clear_i) written_q[{clear_thread_i, 4'd0} +: 16] <= 16'd0;
  end

endmodule

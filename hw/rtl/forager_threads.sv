// SPDX-License-Identifier: Apache-2.0
//
// The threads of a core: where each stands, which may issue, and what becomes of it.
//
// A thread that issues in cycle c has its branch decided in c + 3 (stage P3) and issues again in c + 4; in c + 5 after a bundle
// that may not go through (`slow`), about which stage P4 decides: it *goes* on, is tried *again*, *sleeps* until a unit
// or the host has an answer, or *ends*. A bundle that slept is issued once more, in a phase that says where its result is.
module forager_threads #(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned PcWidth = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_i,
  input  logic                   run_i,

  // A thread begins.
  input  logic                   start_i,
  input  logic [ThreadWidth-1:0] start_thread_i,
  input  logic [PcWidth-1:0]     start_pc_i,
  output logic [Threads-1:0]     idle_o,

  // P0.
  output logic                   issue_o,
  output logic [ThreadWidth-1:0] issue_thread_o,
  output logic [PcWidth-1:0]     issue_pc_o,
  output logic [1:0]             issue_phase_o,  // 1: a unit has answered, 2: the host has
  output logic [2:0]             stall_o,        // nobody may issue: it is nobody's turn; a unit has to answer; the host
  output logic                   empty_o,        // no thread has work

  // P2: the call depth.
  input  logic [ThreadWidth-1:0] depth_thread_i,
  output logic [2:0]             depth_o,

  // P3: where it goes on. The return address is that of its depth.
  input  logic                   next_i,
  input  logic [ThreadWidth-1:0] next_thread_i,
  input  logic [2:0]             next_depth_i,
  input  logic [PcWidth-1:0]     next_pc_i,
  input  logic                   next_slow_i,
  output logic [PcWidth-1:0]     return_pc_o,

  // P4.
  input  logic                   done_i,
  input  logic [ThreadWidth-1:0] done_thread_i,
  input  logic [PcWidth-1:0]     done_pc_i,
  input  logic                   done_again_i,
  input  logic                   done_sleep_i,
  input  logic                   done_host_i,  // it sleeps for the host
  input  logic                   done_end_i,
  input  logic                   done_call_i,
  input  logic                   done_return_i,

  // Answers.
  input  logic                   unit_i,
  input  logic [ThreadWidth-1:0] unit_thread_i,
  input  logic                   unit_jump_i,  // to unit_pc_i
  input  logic [PcWidth-1:0]     unit_pc_i,
  input  logic                   host_i,
  input  logic [ThreadWidth-1:0] host_thread_i,
  input  logic                   host_jump_i,  // to host_pc_i
  input  logic                   host_end_i,
  input  logic [PcWidth-1:0]     host_pc_i,

  // For the host, of a thread that sleeps.
  input  logic [ThreadWidth-1:0] look_thread_i,
  output logic [2:0]             look_depth_o
);

  logic [Threads-1:0]     active_q, ready_q, host_q;
  logic [Threads-1:0]     cool_q, cool_next_q, cool_last_q;  // cycles until each may issue, in unary
  logic [PcWidth-1:0]     pc_q [Threads];
  logic [1:0]             phase_q [Threads];
  logic [2:0]             depth_q [Threads];
  logic [PcWidth-1:0]     return_q [Threads*8];
  logic [ThreadWidth-1:0] last_q;

  // The next in turn after the one that issued last.
  logic [Threads-1:0] able;
  always_comb begin
    able           = run_i ? ready_q & ~cool_q : '0;
    issue_o        = |able;
    issue_thread_o = last_q;
    for (int i = Threads; i > 0; i--) begin
      if (able[last_q+ThreadWidth'(i)]) issue_thread_o = last_q + ThreadWidth'(i);
    end
  end
  assign issue_pc_o    = pc_q[issue_thread_o];
  assign issue_phase_o = phase_q[issue_thread_o];
  assign empty_o       = run_i && active_q == '0;
  assign stall_o[0]    = run_i && !issue_o && (active_q & ready_q) != '0;
  assign stall_o[1]    = run_i && (active_q & ready_q) == '0 && (active_q & ~host_q) != '0;
  assign stall_o[2]    = run_i && (active_q & ready_q) == '0 && (active_q & ~host_q) == '0 && active_q != '0;
  assign idle_o        = ~active_q;
  assign depth_o       = depth_q[depth_thread_i];
  assign look_depth_o  = depth_q[look_thread_i];
  assign return_pc_o   = return_q[{next_thread_i, next_depth_i - 3'd1}];

  always_ff @(posedge clk_i) begin
    if (done_i && done_call_i) return_q[{done_thread_i, depth_q[done_thread_i]}] <= done_pc_i + PcWidth'(1);
  end

  always_ff @(posedge clk_i) begin
    cool_q      <= cool_next_q;
    cool_next_q <= cool_last_q;
    cool_last_q <= '0;
    if (issue_o) begin
      last_q                      <= issue_thread_o;
      cool_q[issue_thread_o]      <= 1'b1;
      cool_next_q[issue_thread_o] <= 1'b1;
      cool_last_q[issue_thread_o] <= 1'b1;
    end
    if (next_i) begin
      pc_q[next_thread_i] <= next_pc_i;
      if (next_slow_i) begin
        cool_q[next_thread_i]      <= 1'b1;
        cool_next_q[next_thread_i] <= 1'b0;
        cool_last_q[next_thread_i] <= 1'b0;
      end
    end
    if (done_i) begin
      if (done_again_i || done_sleep_i) pc_q[done_thread_i] <= done_pc_i;
      else phase_q[done_thread_i] <= 2'd0;
      if (done_sleep_i || done_end_i) ready_q[done_thread_i] <= 1'b0;
      if (done_end_i) active_q[done_thread_i] <= 1'b0;
      host_q[done_thread_i] <= done_sleep_i && done_host_i;
      if (done_call_i) depth_q[done_thread_i] <= depth_q[done_thread_i] + 3'd1;
      if (done_return_i) depth_q[done_thread_i] <= depth_q[done_thread_i] - 3'd1;
    end
    if (unit_i) begin
      ready_q[unit_thread_i] <= 1'b1;
      phase_q[unit_thread_i] <= unit_jump_i ? 2'd0 : 2'd1;
      if (unit_jump_i) pc_q[unit_thread_i] <= unit_pc_i;
    end
    if (host_i) begin
      ready_q[host_thread_i] <= !host_end_i;
      phase_q[host_thread_i] <= host_jump_i ? 2'd0 : 2'd2;
      if (host_jump_i) pc_q[host_thread_i] <= host_pc_i;
      if (host_end_i) active_q[host_thread_i] <= 1'b0;
    end
    if (start_i) begin
      active_q[start_thread_i] <= 1'b1;
      ready_q[start_thread_i]  <= 1'b1;
      phase_q[start_thread_i]  <= 2'd0;
      depth_q[start_thread_i]  <= 3'd0;
      pc_q[start_thread_i]     <= start_pc_i;
    end
    if (rst_i) begin
      active_q <= '0;
      ready_q  <= '0;
      last_q   <= '0;
    end
  end

endmodule

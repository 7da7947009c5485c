// SPDX-License-Identifier: Apache-2.0
//
// What the device counts (registers.def has the names). Of a cycle in which it runs, exactly one is true: a bundle was
// issued; threads wait for their turn in the pipeline; all that have a packet sleep, one of them at least for a unit or
// the engine; all sleep for the host; no thread has a packet. Events are counted a cycle after they happened.
module forager_counters
  import forager_regs_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        run_i,

  input  logic        issued_i,
  input  logic [2:0]  stall_i,      // turn, unit, host
  input  logic        idle_i,
  input  logic [1:0]  used_i,       // slots of a bundle that went through
  input  logic        request_i, replayed_i, oversize_i, malformed_i,

  // A packet that ended.
  input  logic        packet_i,
  input  logic [2:0]  verdict_i,    // XDP's; 5: another result
  input  logic [12:0] bytes_i,
  input  logic [3:0]  cause_i,

  output logic [31:0] cycle_o,
  input  logic        read_i,
  input  logic [11:0] address_i,
  output logic        known_o,
  output logic [31:0] value_o
);

  logic [63:0] cycles_q, issued_q, turn_q, unit_q, host_q, idle_q, slots_q;
  logic [31:0] requests_q, replays_q, packets_q, oversize_q, malformed_q;
  logic [63:0] verdicts_q [8];
  logic [63:0] bytes_q [8];
  logic [31:0] causes_q [16];

  logic       run_now_q, issued_now_q, idle_now_q;
  logic [2:0] stall_now_q;
  logic [1:0] used_now_q;

  assign cycle_o = cycles_q[31:0];

  always_ff @(posedge clk_i) begin
    run_now_q    <= run_i;
    issued_now_q <= issued_i;
    idle_now_q   <= idle_i;
    stall_now_q  <= stall_i;
    used_now_q   <= used_i;
    cycles_q     <= cycles_q + 64'(run_now_q);
    issued_q     <= issued_q + 64'(issued_now_q);
    turn_q       <= turn_q + 64'(stall_now_q[0]);
    unit_q       <= unit_q + 64'(stall_now_q[1]);
    host_q       <= host_q + 64'(stall_now_q[2]);
    idle_q       <= idle_q + 64'(idle_now_q);
    slots_q      <= slots_q + 64'(used_now_q[0]) + 64'(used_now_q[1]);
    requests_q   <= requests_q + 32'(request_i);
    replays_q    <= replays_q + 32'(replayed_i);
    packets_q    <= packets_q + 32'(packet_i);
    oversize_q   <= oversize_q + 32'(oversize_i);
    malformed_q  <= malformed_q + 32'(malformed_i);
    if (packet_i) begin
      verdicts_q[verdict_i] <= verdicts_q[verdict_i] + 64'd1;
      bytes_q[verdict_i]    <= bytes_q[verdict_i] + 64'(bytes_i);
      causes_q[cause_i]     <= causes_q[cause_i] + 32'd1;
    end
    if (rst_i) begin
      {cycles_q, issued_q, turn_q, unit_q, host_q, idle_q, slots_q} <= '0;
      {requests_q, replays_q, packets_q, oversize_q, malformed_q}   <= '0;
      {run_now_q, issued_now_q, idle_now_q, stall_now_q, used_now_q} <= '0;
      for (int i = 0; i < 8; i++) begin
        verdicts_q[i] <= '0;
        bytes_q[i]    <= '0;
      end
      for (int i = 0; i < 16; i++) causes_q[i] <= '0;
    end
  end

  // ---- reads: pairs of registers are 64 bits ----

  logic [63:0] wide;
  always_comb begin
    known_o = address_i[1:0] == 2'd0;
    wide    = 64'd0;
    if (read_i) unique case ({address_i[11:3], 3'd0})
      RegCycles:    wide = cycles_q;
      RegIssued:    wide = issued_q;
      RegStallTurn: wide = turn_q;
      RegStallUnit: wide = unit_q;
      RegStallHost: wide = host_q;
      RegIdle:      wide = idle_q;
      RegSlotsUsed: wide = slots_q;
      RegRequests:  wide = {replays_q, requests_q};
      RegPackets:   wide = {oversize_q, packets_q};
      RegMalformed: wide = {32'd0, malformed_q};
      default: begin
        if (address_i[11:6] == RegVerdictPackets[11:6]) wide = verdicts_q[address_i[5:3]];
        else if (address_i[11:6] == RegVerdictBytes[11:6]) wide = bytes_q[address_i[5:3]];
        else if (address_i[11:6] == RegEnded[11:6]) wide = {causes_q[{address_i[5:3], 1'b1}], causes_q[{address_i[5:3], 1'b0}]};
        else known_o = 1'b0;
      end
    endcase
    value_o = address_i[2] ? wide[63:32] : wide[31:0];
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
//
// Requests to the map engine: each thread has a place where its own waits. The next one in turn is taken out, and if its
// key came with it, hashed, while the engine works on the one before.
module forager_map_queue #(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned PcWidth = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_i,
  input  logic [31:0]            seed_i,

  input  logic                   ask_i,
  input  logic [ThreadWidth-1:0] ask_thread_i,
  input  logic [PcWidth-1:0]     ask_pc_i,
  input  logic [2:0]             ask_depth_i,
  input  logic [3:0]             ask_fn_i,
  input  logic [14:0]            ask_with_i,
  input  logic [63:0]            ask_a_i, ask_b_i, ask_other_i,

  output logic                   ready_o,
  input  logic                   take_i,
  output logic [ThreadWidth-1:0] thread_o,
  output logic [PcWidth-1:0]     pc_o,
  output logic [2:0]             depth_o,
  output logic [3:0]             fn_o,
  output logic [14:0]            with_o,
  output logic [63:0]            a_o, b_o, other_o,
  output logic [31:0]            hash_o
);

  logic [Threads-1:0]     waiting_q;
  logic [PcWidth+21:0]    asked_how [Threads];  // pc, depth, offset, function
  logic [63:0]            asked_a [Threads];
  logic [63:0]            asked_b [Threads];
  logic [63:0]            asked_other [Threads];
  logic [ThreadWidth-1:0] next_thread;
  logic                   valid_q, pick;
  logic [4:0]             round_q, words;
  logic [127:0]           hash_q;
  logic [31:0]            word;

  always_comb begin
    next_thread = thread_o;
    if (waiting_q != '0) begin
      for (int i = Threads; i > 0; i--) begin
        if (waiting_q[thread_o+ThreadWidth'(i)]) next_thread = thread_o + ThreadWidth'(i);
      end
    end
  end

  // Words of the key, none if it stands in the scratch or is no hash table's; two rounds end it.
  assign words = with_o[6] ? 5'd0 : with_o[12:8];
  always_comb begin
    unique case (round_q)
      5'd0:    word = a_o[31:0];
      5'd1:    word = a_o[63:32];
      5'd2:    word = b_o[31:0];
      5'd3:    word = b_o[63:32];
      default: word = 32'd0;
    endcase
    if (round_q >= words) word = 32'd0;
  end
  assign hash_o = forager_hash_pkg::hash_of(hash_q[95:64], hash_q[31:0]);

  assign ready_o = valid_q && (words == 5'd0 || round_q == words + 5'd2);
  assign pick    = waiting_q != '0 && (!valid_q || take_i);

  always_ff @(posedge clk_i) begin
    if (ask_i) begin
      asked_how[ask_thread_i]   <= {ask_pc_i, ask_depth_i, ask_with_i, ask_fn_i};
      asked_a[ask_thread_i]     <= ask_a_i;
      asked_b[ask_thread_i]     <= ask_b_i;
      asked_other[ask_thread_i] <= ask_other_i;
    end
    if (take_i) valid_q <= 1'b0;
    if (pick) begin
      {pc_o, depth_o, with_o, fn_o} <= asked_how[next_thread];
      a_o                    <= asked_a[next_thread];
      b_o                    <= asked_b[next_thread];
      other_o                <= asked_other[next_thread];
      thread_o               <= next_thread;
      waiting_q[next_thread] <= 1'b0;
      valid_q                <= 1'b1;
      round_q                <= '0;
      hash_q                 <= {32'h736f6d65 ^ seed_i, 32'h646f7261, 32'h6c796765 ^ seed_i, 32'h74656462};
    end else if (valid_q && !ready_o) begin
      round_q <= round_q + 5'd1;
      hash_q  <= forager_hash_pkg::hash_round(hash_q, word);
    end
    if (ask_i) waiting_q[ask_thread_i] <= 1'b1;
    if (rst_i) begin
      waiting_q <= '0;
      valid_q   <= 1'b0;
      thread_o  <= '0;
    end
  end

endmodule

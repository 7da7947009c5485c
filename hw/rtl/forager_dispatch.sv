// SPDX-License-Identifier: Apache-2.0
//
// Gives waiting packets to idle threads, the lowest first. Before a thread begins, the rows of its stack that the
// program may read are made zero, from the top of each frame. Packets of some length have an entry of their own.
module forager_dispatch #(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned RowWidth = 11,
  parameter int unsigned StackRow = 1024
) (
  input  logic                   clk_i,
  input  logic                   rst_i,
  input  logic                   run_i,
  input  logic                   serial_i,        // a packet at a time
  input  logic [7:0]             threads_i,       // in use
  input  logic [3:0]             clear_rows_i,    // 0 to 8
  input  logic [3:0]             clear_frames_i,  // 0 to 8
  input  logic [12:0]            long_bytes_i,

  input  logic                   waiting_i,
  input  logic                   waiting_bad_i,
  input  logic                   alone_i,
  input  logic                   native_i,
  input  logic [12:0]            end_i,
  output logic                   skip_o,
  output logic                   begin_o,
  input  logic [Threads-1:0]     idle_i,
  output logic [ThreadWidth-1:0] thread_o,
  output logic                   long_o,

  output logic                   write_o,
  input  logic                   grant_i,
  output logic [RowWidth-1:0]    write_row_o
);

  localparam logic [12:0] Headroom = 13'd256;

  typedef enum logic [1:0] {Idle, Clear, Start} state_e;

  state_e                 state_q;
  logic [ThreadWidth-1:0] thread_q, chosen;
  logic [3:0]             row_q, frame_q;
  logic [Threads-1:0]     able;
  logic                   any, go, none;

  always_comb begin
    able   = idle_i & ~(~Threads'(0) << threads_i);
    any    = able != '0 && (!serial_i || (alone_i && idle_i == '1));
    chosen = '0;
    if (any) begin
      for (int i = Threads - 1; i >= 0; i--) if (able[i]) chosen = ThreadWidth'(i);
    end
  end

  assign skip_o      = state_q == Idle && waiting_i && waiting_bad_i;
  assign go          = state_q == Idle && run_i && waiting_i && !waiting_bad_i && any;
  assign none        = clear_rows_i == 4'd0 || clear_frames_i == 4'd0;
  assign begin_o     = state_q == Start || (go && none);
  assign thread_o    = state_q == Start ? thread_q : chosen;
  assign long_o      = native_i && 14'(end_i) >= 14'(Headroom) + 14'(long_bytes_i);
  assign write_o     = state_q == Clear;
  assign write_row_o = RowWidth'(StackRow) + RowWidth'({thread_q, frame_q[2:0], 3'd7 - row_q[2:0]});

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      Idle: if (go && !none) begin
        thread_q <= chosen;
        row_q    <= 4'd0;
        frame_q  <= 4'd0;
        state_q  <= Clear;
      end
      Clear: if (grant_i) begin
        row_q <= row_q + 4'd1;
        if (row_q + 4'd1 == clear_rows_i) begin
          row_q   <= 4'd0;
          frame_q <= frame_q + 4'd1;
          if (frame_q + 4'd1 == clear_frames_i) state_q <= Start;
        end
      end
      default: state_q <= Idle;
    endcase
    if (rst_i) state_q <= Idle;
  end

endmodule

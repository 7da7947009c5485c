// SPDX-License-Identifier: Apache-2.0
//
// The host's way to memory: an AXI4 subordinate of 512 bits, whole beats of 64 bytes, INCR bursts, one transaction at a
// time. Address bit 28 chooses: 0 instruction memory, a bundle in the low 144 bits of each beat, written only; 1 data memory,
// a row each.
module forager_dma #(
  parameter int unsigned RowWidth = 11,
  parameter int unsigned PcWidth = 16
) (
  input  logic                clk_i,
  input  logic                rst_i,

  input  logic                awvalid_i,
  output logic                awready_o,
  /* verilator lint_off UNUSEDSIGNAL */  // beats are whole
  input  logic [31:0]         awaddr_i,
  input  logic [31:0]         araddr_i,
  input  logic [511:0]        wdata_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic                wvalid_i,
  output logic                wready_o,
  input  logic [63:0]         wstrb_i,
  input  logic                wlast_i,
  output logic                bvalid_o,
  input  logic                bready_i,
  input  logic                arvalid_i,
  output logic                arready_o,
  input  logic [7:0]          arlen_i,
  output logic                rvalid_o,
  input  logic                rready_i,
  output logic [511:0]        rdata_o,
  output logic                rlast_o,

  output logic                bundle_write_o,
  output logic [PcWidth-1:0]  bundle_o,
  output logic [143:0]        bundle_data_o,

  output logic                row_o,
  input  logic                row_grant_i,
  output logic                row_is_write_o,
  output logic [RowWidth-1:0] row_number_o,
  output logic [63:0]         row_strobe_o,
  input  logic [511:0]        row_data_i
);

  typedef enum logic [2:0] {Idle, Write, Respond, Read, Arrive, Send} state_e;

  state_e       state_q;
  logic         data_q;  // data memory
  logic [21:0]  beat_q;
  logic [7:0]   left_q;
  logic [511:0] read_q;

  assign awready_o      = state_q == Idle;
  assign arready_o      = state_q == Idle && !awvalid_i;
  assign wready_o       = state_q == Write && (!data_q || row_grant_i);
  assign bvalid_o       = state_q == Respond;
  assign rvalid_o       = state_q == Send;
  assign rdata_o        = read_q;
  assign rlast_o        = left_q == 8'd0;
  assign bundle_write_o = state_q == Write && wvalid_i && !data_q;
  assign bundle_o       = PcWidth'(beat_q);
  assign bundle_data_o  = wdata_i[143:0];
  assign row_o          = data_q && ((state_q == Write && wvalid_i) || state_q == Read);
  assign row_is_write_o = state_q == Write;
  assign row_number_o   = RowWidth'(beat_q);
  assign row_strobe_o   = wstrb_i;

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      Idle: begin
        if (awvalid_i) begin
          data_q  <= awaddr_i[28];
          beat_q  <= awaddr_i[27:6];
          state_q <= Write;
        end else if (arvalid_i) begin
          data_q  <= araddr_i[28];
          beat_q  <= araddr_i[27:6];
          left_q  <= arlen_i;
          state_q <= Read;
        end
      end
      Write: if (wvalid_i && wready_o) begin
        beat_q <= beat_q + 22'd1;
        if (wlast_i) state_q <= Respond;
      end
      Respond: if (bready_i) state_q <= Idle;
      Read: if (!data_q || row_grant_i) state_q <= Arrive;
      Arrive: begin
        read_q  <= data_q ? row_data_i : '0;
        state_q <= Send;
      end
      default: if (rready_i) begin
        beat_q  <= beat_q + 22'd1;
        left_q  <= left_q - 8'd1;
        state_q <= left_q == 8'd0 ? Idle : Read;
      end
    endcase
    if (rst_i) state_q <= Idle;
  end

endmodule

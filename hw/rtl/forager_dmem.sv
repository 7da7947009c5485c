// SPDX-License-Identifier: Apache-2.0
//
// Data memory: rows of 64 bytes in eight banks of 8, so that the core reaches any 8 bytes of two neighbouring rows, and
// ports a whole row. Both sides read the cycle after they ask; a read of what is written in the same cycle gives what was
// there before.
//
// Tested by: tests/rtl/dmem_test.cc, both forms of it.
module forager_dmem #(
  parameter int unsigned Rows = 1024,
  parameter int unsigned RowWidth = 10
) (
  input  logic                clk_i,

  // The core: a bank's row and bytes each for itself.
  input  logic                core_valid_i,
  input  logic [RowWidth-1:0] core_row_i,
  input  logic [7:0]          core_next_i,   // banks that stand in the row after
  input  logic [63:0]         core_write_i,  // byte enables
  input  logic [511:0]        core_data_i,
  output logic [511:0]        core_data_o,

  // A row at a time.
  input  logic                port_valid_i,
  input  logic [RowWidth-1:0] port_row_i,
  input  logic [63:0]         port_write_i,
  input  logic [511:0]        port_data_i,
  output logic [511:0]        port_data_o
);

`ifdef FORAGER_SIMULATION

  // The same, quicker to simulate: whole rows, and bytes of them are written in place. (Verilator keeps what is assigned with
  // <= to a part of a memory, and asks for each such place at the end of each cycle whether it was.)
  logic [511:0]        memory [Rows];
  logic [RowWidth-1:0] next;
  assign next = core_row_i + RowWidth'(1);
  function automatic logic [511:0] core_banks();
    for (int i = 0; i < 512; i += 64) core_banks[i+:64] = memory[core_next_i[i/64] ? next : core_row_i][i+:64];
  endfunction

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (core_valid_i) core_data_o <= core_banks();
    if (port_valid_i) port_data_o <= memory[port_row_i];
    if (core_valid_i && core_write_i != '0) begin
      for (int i = 0; i < 64; i++) begin
        if (core_write_i[i]) memory[core_next_i[i/8] ? next : core_row_i][i*8+:8] = core_data_i[i*8+:8];
      end
    end
    if (port_valid_i && port_write_i == '1) memory[port_row_i] = port_data_i;
    else if (port_valid_i && port_write_i != '0) begin
      for (int i = 0; i < 64; i++) if (port_write_i[i]) memory[port_row_i][i*8+:8] = port_data_i[i*8+:8];
    end
  end
  /* verilator lint_on BLKSEQ */

`else

  for (genvar bank = 0; bank < 8; bank++) begin : gen_bank
    logic [63:0]         memory [Rows];
    logic [RowWidth-1:0] row;
    logic [63:0]         core_q, port_q;

    assign row = core_row_i + RowWidth'(core_next_i[bank]);

    always_ff @(posedge clk_i) begin
      if (core_valid_i) begin
        core_q <= memory[row];
        for (int byte_of = 0; byte_of < 8; byte_of++) begin
          if (core_write_i[bank*8+byte_of]) memory[row][byte_of*8+:8] <= core_data_i[bank*64+byte_of*8+:8];
        end
      end
    end
    always_ff @(posedge clk_i) begin
      if (port_valid_i) begin
        port_q <= memory[port_row_i];
        for (int byte_of = 0; byte_of < 8; byte_of++) begin
          if (port_write_i[bank*8+byte_of]) memory[port_row_i][byte_of*8+:8] <= port_data_i[bank*64+byte_of*8+:8];
        end
      end
    end

    assign core_data_o[bank*64+:64] = core_q;
    assign port_data_o[bank*64+:64] = port_q;
  end

`endif

endmodule

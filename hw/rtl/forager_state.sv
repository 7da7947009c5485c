// SPDX-License-Identifier: Apache-2.0
//
// An operand of a lane that is asked for by number instead of a register: the packet's edges, where it came from, the
// thread, the clock. Combinational.
module forager_state
  import forager_core_pkg::*;
(
  input  logic [3:0]  number_i,
  input  logic [23:0] region_i,  // of the packet
  input  logic [12:0] meta_i, data_i, end_i,
  input  logic [31:0] port_i, queue_i,
  input  logic [63:0] cpu_i,
  input  logic [31:0] cycle_i,
  input  logic [63:0] time_i,
  output logic [63:0] value_o
);

  function automatic logic [63:0] packet_pointer(input logic [23:0] region, input logic [12:0] offset);
    packet_pointer = {region, 1'b1, 26'd0, offset};
  endfunction

  always_comb begin
    unique case (number_i)
      StateData:     value_o = packet_pointer(region_i, data_i);
      StateDataEnd:  value_o = packet_pointer(region_i, end_i);
      StateDataMeta: value_o = packet_pointer(region_i, meta_i);
      StatePort:     value_o = {32'd0, port_i};
      StateQueue:    value_o = {32'd0, queue_i};
      StateCpu:      value_o = cpu_i;
      StateCycle:    value_o = {32'd0, cycle_i};
      StateLength:   value_o = {51'd0, end_i - data_i};
      StateTime:     value_o = time_i;
      StateScratch:  value_o = packet_pointer(RegionScratch, 13'd0);
      default:       value_o = 64'd0;
    endcase
  end

endmodule

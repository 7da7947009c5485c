// SPDX-License-Identifier: Apache-2.0
//
// Where an access goes (stage P4): every address is checked against the region that its base register points to,
// whatever was proved before. Combinational.
//
//   stack    a frame of 512 bytes for each call depth, up to the thread's own
//   scratch  256 bytes of the thread's call depth, by the compiler's own accesses
//   packet   from metadata to end, in the buffer of 4096 bytes; bytes that have not arrived make it wait
//   map      the values of a map on the chip, as the map table has it for this thread
//   others   are the host's
module forager_access
  import forager_core_pkg::*;
#(
  parameter int unsigned RowWidth = 11,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned StackRow = 1024,
  parameter int unsigned ScratchRow = 1536
) (
  input  logic [ThreadWidth-1:0] thread_i,
  input  logic [2:0]             depth_i,
  input  logic [SlotWidth-1:0]   slot_i,
  input  logic                   native_i,   // the packet is in the buffer
  input  logic [23:0]            region_i,   // of the packet
  input  logic [12:0]            meta_i,
  input  logic [12:0]            end_i,
  input  logic [12:0]            arrived_i,  // bytes before this offset are there

  input  logic                   scratch_i,  // not an address, but an offset in the depth's scratch
  input  logic [23:0]            base_i,     // region of the base register
  input  logic                   on_map_i,   // the address is an offset in the values of the map at hand; base_i is 0
  input  logic [63:0]            address_i,
  input  logic [4:0]             bytes_i,

  input  logic                   map_i,      // the map table has the base's region
  input  logic [RowWidth-1:0]    map_row_i,
  input  logic [21:0]            map_bytes_i,

  output logic                   remote_o,   // is the host's
  output logic                   wait_o,
  output logic                   fault_o,
  output logic [RowWidth-1:0]    row_o,
  output logic [5:0]             byte_o      // in the row
);

  logic        stack, scratch, packet, near, map_near, same;
  logic [2:0]  frame;
  logic [12:0] offset;
  logic [13:0] last;
  logic [21:0] map_offset;
  logic [22:0] map_last;

  assign frame  = base_i[2:0] - RegionStack[2:0];
  assign stack  = base_i >= RegionStack && base_i < RegionStack + 24'd8;
  assign scratch = base_i == RegionScratch && !on_map_i;
  assign packet = native_i && base_i == region_i && !on_map_i;
  assign same   = address_i[63:39] == {base_i, !on_map_i};
  assign near   = same && address_i[38:13] == 26'd0;
  assign offset = address_i[12:0];
  assign map_near = same && address_i[38:22] == 17'd0;
  assign map_offset = address_i[21:0];
  assign map_last   = 23'(map_offset) + 23'(bytes_i);
  assign last   = 14'(offset) + 14'(bytes_i);

  always_comb begin
    remote_o = 1'b0;
    wait_o   = 1'b0;
    fault_o  = 1'b0;
    row_o    = '0;
    byte_o   = offset[5:0];
    if (scratch_i) begin
      row_o  = RowWidth'(ScratchRow) + RowWidth'({thread_i, address_i[8] ? 3'd7 : depth_i, address_i[7:6]});
      byte_o = address_i[5:0];
    end else if (stack) begin
      row_o   = RowWidth'(StackRow) + RowWidth'({thread_i, frame, offset[8:6]});
      fault_o = !near || last > 14'd512 || frame > depth_i;
    end else if (scratch) begin
      row_o   = RowWidth'(ScratchRow) + RowWidth'({thread_i, depth_i, offset[7:6]});
      fault_o = !near || last > 14'd256;
    end else if (packet) begin
      row_o   = RowWidth'({slot_i, offset[11:6]});
      fault_o = !near || offset < meta_i || last > 14'(end_i) || last > 14'd4096;
      wait_o  = !fault_o && last > 14'(arrived_i);
    end else if (map_i) begin
      row_o   = map_row_i + RowWidth'(map_offset[21:6]);
      fault_o = !map_near || map_last > 23'(map_bytes_i);
    end else begin
      remote_o = 1'b1;
    end
  end

endmodule

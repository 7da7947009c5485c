// SPDX-License-Identifier: Apache-2.0
//
// The core: several threads share one pipeline, a bundle of two slots a cycle.
//
//   P0 a thread is chosen   P1 instruction memory   P2 registers   P3 both lanes compute, branches are decided
//   P4 addresses are checked, data memory is read or written       P5 loads are aligned, registers written
//
// A thread is in the pipeline once at most, so nothing is forwarded and nothing predicted: bundles of one thread are
// four or five cycles apart, and the others fill the time. Lane 0 has memory and what takes longer, lane 1 calls and
// returns; both compute and branch.
//
// An atomic goes through like a load; what it makes of the old value is written two cycles later, by the row port of data
// memory. Whoever wants to reach the row in between tries again.
//
// What takes longer is done in two turns. In the first the bundle sends its request in P4 and the thread sleeps; when
// the answer is there, the bundle is issued again, takes it as lane 0's result and goes through. The same way goes every
// access to memory that is not the device's: the host answers.
module forager_core
  import forager_core_pkg::*;
#(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned PcWidth = 16,
  parameter int unsigned RowWidth = 11,
  parameter int unsigned StackRow = 1024,
  parameter int unsigned ScratchRow = 1536
) (
  input  logic                   clk_i, rst_i, run_i,
  input  logic                   yield_i,   // no more atomics: others wait for the row port
  input  logic [21:0]            budget_i,  // in units of 1024 bundles; 0: none
  input  logic [31:0]            cycle_i,
  input  logic [63:0]            time_i,
  input  logic [7:0]             cpu_i,     // of thread 0

  // Threads begin and end.
  input  logic                   start_i,
  input  logic [ThreadWidth-1:0] start_thread_i,
  input  logic [PcWidth-1:0]     start_pc_i,
  output logic [Threads-1:0]     idle_o,
  output logic                   end_o,
  output logic [ThreadWidth-1:0] end_thread_o,
  output logic [63:0]            end_value_o,
  output logic [3:0]             end_cause_o,
  output logic [PcWidth-1:0]     end_pc_o,

  // The packet of the thread in P2.
  output logic [ThreadWidth-1:0] slot_thread_o,
  input  logic [SlotWidth-1:0]   slot_i,
  input  logic                   slot_native_i,
  input  logic [23:0]            slot_region_i,
  input  logic [12:0]            slot_meta_i, slot_data_i, slot_end_i, slot_arrived_i,
  input  logic [31:0]            slot_port_i, slot_queue_i,

  // Instruction memory; the bundle arrives in P2.
  output logic [PcWidth-1:0]     fetch_pc_o,
  input  logic [143:0]           fetch_i,

  // Data memory.
  output logic                   data_valid_o,
  output logic [RowWidth-1:0]    data_row_o,
  output logic [7:0]             data_next_o,
  output logic [63:0]            data_write_o,
  output logic [511:0]           data_o,
  input  logic [511:0]           data_i,
  // What an atomic writes: bytes of a row, the same 16 for each pair of banks. Always granted.
  output logic                   update_o,
  output logic [RowWidth-1:0]    update_row_o,
  output logic [63:0]            update_write_o,
  output logic [127:0]           update_data_o,

  // Requests to the host, and its answers. One that ends a thread waits until ready.
  output logic                   request_o,
  output logic [ThreadWidth-1:0] request_thread_o,
  output logic [PcWidth-1:0]     request_pc_o,
  output logic [63:0]            request_address_o, request_data_o, request_other_o,
  input  logic                   answer_i,
  output logic                   answer_ready_o,
  input  logic [1:0]             answer_kind_i,  // 0 result, 1 jump, 2 end, 3 stop
  input  logic [ThreadWidth-1:0] answer_thread_i,
  input  logic [63:0]            answer_value_i,
  input  logic [PcWidth-1:0]     answer_pc_i,
  input  logic [ThreadWidth-1:0] look_thread_i,
  output logic [2:0]             look_depth_o,

  // The map table: where the values of a map stand for a thread.
  input  logic [23:0]            map_region_i,  // of map 0; each map has two regions, the second is its values
  input  logic                   map_write_i,
  input  logic [ThreadWidth+5:0] map_index_i,   // thread, map
  input  logic [RowWidth-1:0]    map_row_i,
  input  logic [21:0]            map_bytes_i,   // 0: not on the chip

  // Requests to the map engine, and its answers.
  output logic                   map_ask_o,
  output logic [2:0]             map_depth_o,
  output logic [3:0]             map_fn_o,
  output logic [14:0]            map_with_o,
  output logic [63:0]            map_a_o,
  input  logic                   map_answer_i,
  output logic                   map_ready_o,
  input  logic                   map_jump_i,
  input  logic [ThreadWidth-1:0] map_thread_i,
  input  logic [63:0]            map_value_i,

  // Counted.
  output logic                   issued_o,
  output logic [2:0]             stall_o,    // turn, unit, host
  output logic                   empty_o,    // no thread has a packet
  output logic [1:0]             used_o,     // slots of a bundle that went through
  output logic                   replayed_o,

  // Retired bundles, for simulation.
  output logic                   trace_valid_o,
  output logic [ThreadWidth-1:0] trace_thread_o,
  output logic [PcWidth-1:0]     trace_pc_o,
  output logic [1:0]             trace_write_o,
  output logic [7:0]             trace_register_o,
  output logic [127:0]           trace_value_o
);

  // ---- P0, P1 ------------------------------------------------------------------------------------------------------

  logic                   p0_valid, p1_valid_q, p2_valid_q, p3_valid_q, p4_valid_q, p5_valid_q;
  logic [ThreadWidth-1:0] p0_thread, p1_thread_q, p2_thread_q, p3_thread_q, p4_thread_q, p5_thread_q;
  logic [PcWidth-1:0]     p1_pc_q, p2_pc_q, p3_pc_q, p4_pc_q, p5_pc_q;
  logic [1:0]             p0_phase, p1_phase_q, p2_phase_q, p3_phase_q, p4_phase_q;
  logic [2:0]             p2_depth, p3_depth_q, p4_depth_q;

  always_ff @(posedge clk_i) begin
    p1_valid_q  <= p0_valid && !rst_i;
    p1_thread_q <= p0_thread;
    p1_pc_q     <= fetch_pc_o;
    p1_phase_q  <= p0_phase;
    p2_valid_q  <= p1_valid_q && !rst_i;
    p2_thread_q <= p1_thread_q;
    p2_pc_q     <= p1_pc_q;
    p2_phase_q  <= p1_phase_q;
  end

  // ---- P2: registers -----------------------------------------------------------------------------------------------

  op_t         p2_op0, p2_op1, p3_op0_q, p3_op1_q;
  /* verilator lint_off UNUSEDSIGNAL */
  op_t         p4_op0_q, p4_op1_q;  // operands were read before
  /* verilator lint_on UNUSEDSIGNAL */
  logic [3:0]  p5_fn_q;
  logic [63:0] a0, b0, a1, b1, frame_top;
  logic [63:0] p3_a0_q, p3_b0_q, p3_a1_q, p3_b1_q;
  logic [63:0] unit_answer, host_answer, p3_answer_q;

  assign p2_op0        = fetch_i[71:0];
  assign p2_op1        = fetch_i[143:72];
  assign slot_thread_o = p2_thread_q;
  // What is asked for by number instead of a register.
  logic [63:0] state0, state1, p2_cpu;
  assign p2_cpu = 64'(cpu_i) + 64'(p2_thread_q);
  forager_state u_state0 (
    .number_i(p2_op0.a), .region_i(slot_region_i), .meta_i(slot_meta_i), .data_i(slot_data_i), .end_i(slot_end_i),
    .port_i(slot_port_i), .queue_i(slot_queue_i), .cpu_i(p2_cpu), .cycle_i, .time_i, .value_o(state0)
  );
  forager_state u_state1 (
    .number_i(p2_op1.a), .region_i(slot_region_i), .meta_i(slot_meta_i), .data_i(slot_data_i), .end_i(slot_end_i),
    .port_i(slot_port_i), .queue_i(slot_queue_i), .cpu_i(p2_cpu), .cycle_i, .time_i, .value_o(state1)
  );

  // An access to a map's values has only a part of its immediate for an operand.
  function automatic logic [63:0] immediate(input logic [31:0] imm, input logic on_map);
    immediate = on_map ? {{40{imm[31]}}, imm[31:8]} : {{32{imm[31]}}, imm};
  endfunction

  assign frame_top     = {RegionStack + 24'(p2_depth), 40'h8000000200};

  function automatic logic [63:0] operand(input logic [3:0] number, input logic [63:0] value, input logic [63:0] top);
    operand = number == 4'd10 ? top : value;
  endfunction

  logic [SlotWidth-1:0] p3_slot_q, p4_slot_q;
  logic                 p3_native_q, p4_native_q;
  logic [23:0]          p3_region_q, p4_region_q;
  logic [12:0]          p3_meta_q, p3_end_q, p3_arrived_q, p4_meta_q, p4_end_q, p4_arrived_q;

  always_ff @(posedge clk_i) begin
    p3_valid_q   <= p2_valid_q && !rst_i;
    p3_thread_q  <= p2_thread_q;
    p3_pc_q      <= p2_pc_q;
    p3_phase_q   <= p2_phase_q;
    p3_depth_q   <= p2_depth;
    p3_op0_q     <= p2_op0;
    p3_op1_q     <= p2_op1;
    p3_a0_q      <= p2_op0.a_state ? state0 : operand(p2_op0.a, a0, frame_top);
    p3_b0_q      <= p2_op0.use_imm ? immediate(p2_op0.imm, p2_op0.on_map) : operand(p2_op0.b, b0, frame_top);
    p3_a1_q      <= p2_op1.a_state ? state1 : operand(p2_op1.a, a1, frame_top);
    p3_b1_q      <= p2_op1.use_imm ? immediate(p2_op1.imm, 1'b0) : operand(p2_op1.b, b1, frame_top);
    p3_answer_q  <= p2_phase_q[1] ? host_answer : unit_answer;
    p3_slot_q    <= slot_i;
    p3_native_q  <= slot_native_i;
    p3_region_q  <= slot_region_i;
    p3_meta_q    <= slot_meta_i;
    p3_end_q     <= slot_end_i;
    p3_arrived_q <= slot_arrived_i;
  end

  // ---- P3: compute -------------------------------------------------------------------------------------------------

  logic [63:0]        alu0, alu1, p4_value0_q, p4_value1_q, p4_address_q, p4_b0_q, p4_a0_q, p4_b1_q, p4_answer_q;
  logic [23:0]        p4_base_q;
  logic [63:0]        p3_start;
  logic [4:0]         p3_bytes, p4_bytes_q;
  logic [31:0]        p5_product;
  logic               holds0, holds1, taken0, taken1, is_return, is_call, p3_slow, p3_spent, p4_spent_q, p4_left_q;
  logic [PcWidth-1:0] return_pc, next_pc;

  forager_alu u_alu0 (
    .fn_i(p3_op0_q.fn), .wide_i(p3_op0_q.wide), .size_i(p3_op0_q.offset[1:0]), .high_i(p3_op1_q.imm),
    .a_i(p3_a0_q), .b_i(p3_b0_q), .result_o(alu0)
  );
  forager_alu u_alu1 (
    .fn_i(p3_op1_q.fn), .wide_i(p3_op1_q.wide), .size_i(p3_op1_q.offset[1:0]), .high_i(32'd0),
    .a_i(p3_a1_q), .b_i(p3_b1_q), .result_o(alu1)
  );
  forager_compare u_compare0 (
    .fn_i(p3_op0_q.fn), .wide_i(p3_op0_q.wide), .a_i(p3_a0_q), .b_i(p3_b0_q), .taken_o(holds0)
  );
  forager_compare u_compare1 (
    .fn_i(p3_op1_q.fn), .wide_i(p3_op1_q.wide), .a_i(p3_a1_q), .b_i(p3_b1_q), .taken_o(holds1)
  );
  assign taken0 = p3_op0_q.cls == ClassBranch && holds0;
  assign taken1 = p3_op1_q.cls == ClassBranch && holds1;

  forager_mul u_mul (.clk_i, .a_i(p3_a0_q[31:0]), .b_i(p3_b0_q[31:0]), .product_o(p5_product));

  forager_address u_address (
    .op_i(p3_op0_q), .a_i(p3_a0_q), .start_o(p3_start), .bytes_o(p3_bytes)
  );

  logic                 p4_map_q;
  logic [RowWidth-1:0]  p4_map_row_q;
  logic [21:0]          p4_map_bytes_q;

  forager_map_table #(.Threads(Threads), .ThreadWidth(ThreadWidth), .RowWidth(RowWidth)) u_map_table (
    .clk_i, .write_i(map_write_i), .index_i(map_index_i), .row_i(map_row_i), .bytes_i(map_bytes_i), .region_i(map_region_i),
    .thread_i(p3_thread_q), .by_number_i(p3_op0_q.on_map), .number_i(p3_op0_q.imm[5:0]), .pointer_i(p3_a0_q[63:40]),
    .found_o(p4_map_q), .row_o(p4_map_row_q), .bytes_o(p4_map_bytes_q)
  );

  assign is_call   = p3_op1_q.cls == ClassControl && p3_op1_q.fn == ControlCall;
  assign is_return = p3_op1_q.cls == ClassControl && p3_op1_q.fn == ControlRet;
  // What P4 may still hold up.
  assign p3_slow   = (p3_op0_q.cls != ClassAlu && p3_op0_q.cls != ClassBranch) || p3_op1_q.cls == ClassControl || p3_spent;

  always_comb begin
    if (taken0) next_pc = PcWidth'(p3_op0_q.offset);
    else if (is_return) next_pc = return_pc;
    else if (is_call || taken1) next_pc = PcWidth'(p3_op1_q.offset);
    else next_pc = p3_pc_q + PcWidth'(1);
  end

  always_ff @(posedge clk_i) begin
    p4_valid_q   <= p3_valid_q && !rst_i;
    p4_thread_q  <= p3_thread_q;
    p4_pc_q      <= p3_pc_q;
    p4_phase_q   <= p3_phase_q;
    p4_depth_q   <= p3_depth_q;
    p4_op0_q     <= p3_op0_q;
    p4_op1_q     <= p3_op1_q;
    p4_value0_q  <= p3_op0_q.cls == ClassLocal ? p3_a0_q : alu0;
    p4_value1_q  <= alu1;
    p4_address_q <= p3_start + {{48{p3_op0_q.offset[15]}}, p3_op0_q.offset};
    p4_base_q    <= p3_op0_q.on_map ? 24'd0 : p3_a0_q[63:40];
    p4_bytes_q   <= p3_bytes;
    p4_left_q    <= taken0;
    p4_a0_q      <= p3_a0_q;
    p4_b0_q      <= p3_b0_q;
    p4_b1_q      <= p3_b1_q;
    p4_answer_q  <= p3_answer_q;
    p4_slot_q    <= p3_slot_q;
    p4_native_q  <= p3_native_q;
    p4_region_q  <= p3_region_q;
    p4_meta_q    <= p3_meta_q;
    p4_end_q     <= p3_end_q;
    p4_arrived_q <= p3_arrived_q;
    p4_spent_q   <= p3_spent;
  end

  // ---- P4: memory, and what becomes of the thread ------------------------------------------------------------------

  logic                is_load, is_store, is_atomic, is_scratch, is_memory, is_unit, is_product, is_host, is_map, is_state, is_trap, p4_call, p4_return;
  logic                second, remote, waits, fault, deep, again, sleep, stop, through, ask_unit, ask_map, ask_host;
  logic                unit_ready, is_end, unaligned, far, busy;
  logic [RowWidth-1:0] row;
  logic [5:0]          byte_of_row;
  logic [7:0]          next_banks;
  logic [63:0]         enable, to_store;
  logic [3:0]          cause;

  assign second     = p4_phase_q != 2'd0;
  assign is_load    = p4_op0_q.cls == ClassLoad;
  assign is_store   = p4_op0_q.cls == ClassStore;
  assign is_atomic  = p4_op0_q.cls == ClassAtomic;
  assign is_scratch = p4_op0_q.cls == ClassLocal && p4_op0_q.fn != LocalState;
  assign is_memory  = is_load || is_store || is_atomic;
  assign is_state   = p4_op0_q.cls == ClassLocal && p4_op0_q.fn == LocalState && !p4_native_q && p4_op0_q.a <= StateQueue;
  assign is_host    = p4_op0_q.cls == ClassUnit && p4_op0_q.fn == UnitHost;
  assign is_map     = p4_op0_q.cls == ClassUnit && p4_op0_q.fn >= UnitAdjustHead && !is_host;
  assign is_product = p4_op0_q.cls == ClassUnit && p4_op0_q.fn == UnitMul && !p4_op0_q.wide;
  assign is_unit    = p4_op0_q.cls == ClassUnit && !is_host && !is_map && !is_product;
  assign is_trap    = !p4_left_q && p4_op1_q.cls == ClassControl && p4_op1_q.fn == ControlTrap;
  assign p4_call    = !p4_left_q && p4_op1_q.cls == ClassControl && p4_op1_q.fn == ControlCall;
  assign p4_return  = !p4_left_q && p4_op1_q.cls == ClassControl && p4_op1_q.fn == ControlRet;
  // An atomic stays in one bank. One that does not is the host's, who says what is wrong with it.
  assign unaligned  = is_atomic && (p4_address_q[1:0] != 2'd0 || (p4_op0_q.wide && p4_address_q[2]) ||
                                     (p4_op0_q.fn == AtomicCount && p4_address_q[3]));
  assign far        = remote || unaligned;

  forager_access #(
    .RowWidth(RowWidth), .ThreadWidth(ThreadWidth), .SlotWidth(SlotWidth), .StackRow(StackRow), .ScratchRow(ScratchRow)
  ) u_access (
    .thread_i(p4_thread_q), .depth_i(p4_depth_q), .slot_i(p4_slot_q), .native_i(p4_native_q), .region_i(p4_region_q),
    .meta_i(p4_meta_q), .end_i(p4_end_q), .arrived_i(p4_arrived_q), .scratch_i(is_scratch), .base_i(p4_base_q),
    .on_map_i(p4_op0_q.on_map), .address_i(p4_address_q), .bytes_i(p4_bytes_q), .map_i(p4_map_q), .map_row_i(p4_map_row_q), .map_bytes_i(p4_map_bytes_q),
    .remote_o(remote), .wait_o(waits), .fault_o(fault), .row_o(row),
    .byte_o(byte_of_row)
  );

  // A row that an atomic is about to write. What may reach into the next row waits for any.
  logic                p5_atomic_q, crosses;
  logic [RowWidth-1:0] p5_row_q;
  assign crosses = byte_of_row[5:3] == 3'd7;
  assign busy    = (is_atomic && yield_i) || (p5_atomic_q && (crosses || p5_row_q == row)) || (update_o && (crosses || update_row_o == row));

  assign ask_host     = !second && ((is_memory && far) || is_host || is_state);
  assign ask_unit     = !second && is_unit;
  assign ask_map      = !second && is_map;
  assign deep         = p4_call && p4_depth_q == 3'd7;
  assign stop         = (is_memory && !second && fault) || deep || is_trap || p4_spent_q;
  assign again        = !stop && ((is_memory && !second && (waits || (busy && !far))) || (ask_unit && !unit_ready));
  assign sleep        = !stop && !again && (ask_host || ask_unit || ask_map);
  assign through      = p4_valid_q && !stop && !again && !sleep;
  assign is_end       = p4_return && p4_depth_q == 3'd0;

  always_comb begin
    if (is_memory && !second && fault) cause = CauseBounds;
    else if (deep) cause = CauseDepth;
    else if (p4_spent_q) cause = CauseBudget;
    else if (is_trap) cause = CauseProgram;
    else cause = CauseNone;
  end

  logic        writes_memory, reads_memory;
  assign writes_memory = (is_store && through && !second) || (is_scratch && p4_op0_q.fn == LocalKeep && through);
  assign reads_memory  = p4_valid_q && !second && (is_load || is_atomic || is_scratch);
  assign to_store      = p4_b0_q;

  assign data_valid_o = writes_memory || reads_memory;
  assign data_row_o   = row;
  assign data_next_o  = next_banks;
  assign data_write_o = writes_memory ? enable : 64'd0;

  assign request_o         = p4_valid_q && sleep && ask_host;
  assign request_thread_o  = p4_thread_q;
  assign request_pc_o      = p4_pc_q;
  assign request_address_o = is_host ? p4_a0_q : p4_address_q;
  assign request_data_o    = p4_b0_q;
  assign request_other_o   = p4_b1_q;

  assign map_ask_o   = p4_valid_q && sleep && ask_map;
  assign map_depth_o = p4_depth_q;
  assign map_fn_o    = p4_op0_q.fn;
  assign map_with_o  = p4_op0_q.offset[14:0];
  assign map_a_o     = p4_a0_q;

  assign issued_o   = p0_valid;
  assign used_o     = {through && (p4_op1_q.cls != ClassAlu || p4_op1_q.fn != AluNop),
                       through && (p4_op0_q.cls != ClassAlu || p4_op0_q.fn != AluNop)};
  assign replayed_o = p4_valid_q && again;

  // ---- P5: results -------------------------------------------------------------------------------------------------

  logic [63:0] p5_value0_q, p5_value1_q, p5_b0_q, p5_b1_q, aligned, behind;
  logic        p5_write0_q, p5_write1_q, p5_load_q, p5_product_q, p5_swapped_q, p5_signed_q, p5_wide_q;
  logic [3:0]  p5_d0_q, p5_d1_q;
  logic [5:0]  p5_byte_q;
  logic [3:0]  p5_bytes_q;
  logic        result0, result1, from_memory;
  logic [63:0] wb_value0;

  assign from_memory = ((is_load || is_atomic) && !second) || (is_scratch && p4_op0_q.fn == LocalFetch);
  assign result0 = (p4_op0_q.cls == ClassAlu && p4_op0_q.fn != AluNop) || is_load || p4_op0_q.cls == ClassUnit ||
                   (is_atomic && p4_op0_q.fn[3]) || (p4_op0_q.cls == ClassLocal && p4_op0_q.fn != LocalKeep);
  assign result1 = p4_op1_q.cls == ClassAlu && p4_op1_q.fn != AluNop;

  always_ff @(posedge clk_i) begin
    p5_valid_q   <= through && !rst_i;
    p5_thread_q  <= p4_thread_q;
    p5_pc_q      <= p4_pc_q;
    p5_write0_q  <= through && result0;
    p5_write1_q  <= through && result1;
    p5_d0_q      <= p4_op0_q.d;
    p5_d1_q      <= p4_op1_q.d;
    p5_value0_q  <= second ? p4_answer_q : p4_value0_q;
    p5_value1_q  <= p4_value1_q;
    p5_load_q    <= from_memory;
    p5_product_q <= is_product;
    p5_atomic_q  <= through && is_atomic && !second && !rst_i;
    p5_row_q     <= row;
    p5_fn_q      <= p4_op0_q.fn;
    p5_wide_q    <= p4_op0_q.wide;
    p5_b0_q      <= p4_b0_q;
    p5_b1_q      <= p4_b1_q;
    p5_byte_q    <= byte_of_row;
    p5_bytes_q   <= p4_bytes_q[3:0];
    p5_swapped_q <= is_load && p4_op0_q.fn[3];
    p5_signed_q  <= is_load && p4_op0_q.fn[2];
  end

  forager_align u_align (
    .store_byte_i(byte_of_row), .store_bytes_i(p4_bytes_q[3:0]), .store_swapped_i(is_store && p4_op0_q.fn[3]),
    .store_value_i(to_store), .next_o(next_banks), .enable_o(enable), .store_o(data_o),
    .load_byte_i(p5_byte_q), .load_bytes_i(p5_bytes_q), .load_swapped_i(p5_swapped_q), .load_signed_i(p5_signed_q),
    .load_i(data_i), .value_o(aligned), .behind_o(behind)
  );

  assign wb_value0 = p5_load_q ? aligned : p5_product_q ? {32'd0, p5_product} : p5_value0_q;

  forager_amo #(.RowWidth(RowWidth)) u_amo (
    .clk_i, .rst_i, .valid_i(p5_atomic_q), .fn_i(p5_fn_q), .byte_i(p5_byte_q), .wide_i(p5_wide_q), .row_i(p5_row_q),
    .old_i(aligned), .behind_i(behind), .b_i(p5_b0_q), .other_i(p5_b1_q), .update_o, .row_o(update_row_o), .write_o(update_write_o),
    .data_o(update_data_o)
  );

  // Answers by thread.
  logic [63:0]            unit_answers [Threads];
  logic [63:0]            host_answers [Threads];
  logic                   unit_valid;
  logic [ThreadWidth-1:0] unit_thread;
  logic [63:0]            unit_value;
  assign unit_answer = unit_answers[p2_thread_q];
  assign host_answer = host_answers[p2_thread_q];
  always_ff @(posedge clk_i) begin
    if (unit_valid || map_answer_i) unit_answers[unit_valid ? unit_thread : map_thread_i] <= unit_valid ? unit_value : map_value_i;
    if (answer_i) host_answers[answer_thread_i] <= answer_value_i;
  end

  forager_muldiv #(.ThreadWidth(ThreadWidth)) u_muldiv (
    .clk_i, .rst_i, .valid_i(p4_valid_q && ask_unit && !stop), .ready_o(unit_ready), .thread_i(p4_thread_q),
    .fn_i(p4_op0_q.fn), .wide_i(p4_op0_q.wide), .a_i(p4_a0_q), .b_i(p4_b0_q),
    .valid_o(unit_valid), .ready_i(1'b1), .thread_o(unit_thread), .result_o(unit_value)
  );

  forager_regfile #(.Threads(Threads), .ThreadWidth(ThreadWidth)) u_regfile (
    .clk_i, .clear_i(start_i), .clear_thread_i(start_thread_i),
    .read_thread_i(p2_thread_q), .a0_i(p2_op0.a), .b0_i(p2_op0.b), .a1_i(p2_op1.a), .b1_i(p2_op1.b),
    .a0_o(a0), .b0_o(b0), .a1_o(a1), .b1_o(b1),
    .write_thread_i(p5_thread_q), .write0_i(p5_write0_q), .d0_i(p5_d0_q), .value0_i(wb_value0),
    .write1_i(p5_write1_q), .d1_i(p5_d1_q), .value1_i(p5_value1_q)
  );

  // Bundles that a packet took, each once. That it ends is known in P3, so that the thread is not issued once more.
  logic [31:0] spent_q [Threads];
  assign p3_spent = budget_i != 22'd0 && spent_q[p3_thread_q][31:10] >= budget_i;
  always_ff @(posedge clk_i) begin
    if (p4_valid_q && !again && !sleep) spent_q[p4_thread_q] <= spent_q[p4_thread_q] + 32'd1;
    if (start_i) spent_q[start_thread_i] <= 32'd0;
  end

  // ---- threads -----------------------------------------------------------------------------------------------------

  logic ends;
  assign ends           = p4_valid_q && (stop || (through && is_end));
  assign answer_ready_o = !(ends && answer_kind_i[1]);
  assign map_ready_o    = !unit_valid;

  forager_threads #(.Threads(Threads), .ThreadWidth(ThreadWidth), .PcWidth(PcWidth)) u_threads (
    .clk_i, .rst_i, .run_i, .start_i, .start_thread_i, .start_pc_i, .idle_o,
    .issue_o(p0_valid), .issue_thread_o(p0_thread), .issue_pc_o(fetch_pc_o), .issue_phase_o(p0_phase), .stall_o, .empty_o,
    .depth_thread_i(p2_thread_q), .depth_o(p2_depth),
    .next_i(p3_valid_q), .next_thread_i(p3_thread_q), .next_depth_i(p3_depth_q), .next_pc_i(next_pc),
    .next_slow_i(p3_slow), .return_pc_o(return_pc),
    .done_i(p4_valid_q), .done_thread_i(p4_thread_q), .done_pc_i(p4_pc_q), .done_again_i(again), .done_sleep_i(sleep), .done_host_i(ask_host),
    .done_end_i(ends), .done_call_i(through && p4_call), .done_return_i(through && p4_return && !is_end),
    .unit_i(unit_valid || map_answer_i), .unit_thread_i(unit_valid ? unit_thread : map_thread_i),
    .unit_jump_i(!unit_valid && map_jump_i), .unit_pc_i(PcWidth'(map_value_i)),
    .host_i(answer_i && answer_ready_o), .host_thread_i(answer_thread_i), .host_jump_i(answer_kind_i == 2'd1),
    .host_end_i(answer_kind_i[1]), .host_pc_i(answer_pc_i), .look_thread_i, .look_depth_o
  );

  assign end_o        = ends || (answer_i && answer_kind_i[1]);
  assign end_thread_o = ends ? p4_thread_q : answer_thread_i;
  assign end_value_o  = ends ? p4_b1_q : answer_value_i;
  assign end_cause_o  = ends ? cause : answer_kind_i[0] ? CauseHost : CauseNone;
  assign end_pc_o     = p4_pc_q;

  assign trace_valid_o    = p5_valid_q;
  assign trace_thread_o   = p5_thread_q;
  assign trace_pc_o       = p5_pc_q;
  assign trace_write_o    = {p5_write1_q, p5_write0_q};
  assign trace_register_o = {p5_d1_q, p5_d0_q};
  assign trace_value_o    = {p5_value1_q, wb_value0};

endmodule

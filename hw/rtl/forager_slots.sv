// SPDX-License-Identifier: Apache-2.0
//
// The ring of packet buffers, and what is known of the packet in each. Packets leave in the order in which they came:
// the port takes the next buffer at the tail, the dispatcher gives buffers to threads, and the way out empties the head.
module forager_slots
  import forager_core_pkg::*;
#(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned Slots = 16,
  parameter int unsigned SlotWidth = 4,
  parameter int unsigned PcWidth = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_i,
  input  logic [31:0]            cycle_i,

  // A packet comes in, and its bytes. One whose length is known at once may begin before it is there.
  output logic                   room_o,
  output logic [SlotWidth-1:0]   tail_o,
  input  logic                   take_i,
  input  logic                   take_native_i,
  input  logic                   take_known_i,
  input  logic [12:0]            take_end_i,
  input  logic [31:0]            take_port_i,
  input  logic [31:0]            take_queue_i,
  input  logic [31:0]            take_tag_i,
  input  logic                   grow_i,  // of the buffer that was taken last, which is still open
  input  logic [12:0]            grow_to_i,
  input  logic                   close_i,
  input  logic                   close_bad_i,

  // The next that no thread has yet.
  output logic                   waiting_o,
  output logic                   waiting_bad_o,  // it is of no use
  output logic                   alone_o,        // all that came before it are gone
  output logic                   waiting_native_o,
  output logic [12:0]            waiting_end_o,
  input  logic                   skip_i,
  input  logic                   begin_i,
  input  logic [ThreadWidth-1:0] begin_thread_i,

  // The packet of a thread.
  input  logic [ThreadWidth-1:0] thread_i,
  output logic [SlotWidth-1:0]   slot_o,
  output logic                   native_o,
  output logic [23:0]            region_o,
  output logic [12:0]            meta_o, data_o, end_o, arrived_o,
  output logic [31:0]            port_o, queue_o,

  // The host looks at one, and changes its edges.
  input  logic [ThreadWidth-1:0] look_thread_i,
  output logic [SlotWidth-1:0]   look_slot_o,
  output logic [31:0]            look_tag_o,
  output logic [12:0]            look_meta_o, look_data_o, look_end_o,
  output logic [23:0]            look_region_o,
  input  logic [3:0]             set_i,  // meta, data, end, region
  input  logic [23:0]            set_value_i,

  // The engine looks at a thread's packet, and moves its edges.
  input  logic [ThreadWidth-1:0] edge_thread_i,
  output logic                   edge_native_o,
  output logic                   edge_whole_o,   // all of it is there
  output logic [12:0]            edge_meta_o, edge_data_o, edge_end_o,
  output logic [12:0]            edge_lowest_o,  // that metadata or packet ever began at
  output logic [SlotWidth-1:0]   edge_slot_o,
  input  logic [2:0]             edge_set_i,  // meta, data, end
  input  logic [12:0]            edge_value_i,

  // Where a thread's packet is to go, as the engine says.
  input  logic                   redirect_i,
  input  logic [ThreadWidth-1:0] redirect_thread_i,
  input  logic [36:0]            redirect_to_i,

  // A thread is done.
  input  logic                   finish_i,
  input  logic [ThreadWidth-1:0] finish_thread_i,
  input  logic [63:0]            finish_value_i,
  input  logic [3:0]             finish_cause_i,
  input  logic [PcWidth-1:0]     finish_pc_i,

  // The oldest.
  output logic                   leaving_o,
  output logic                   leaving_bad_o,
  output logic [SlotWidth-1:0]   head_o,
  output logic                   head_native_o,
  output logic [12:0]            head_meta_o, head_data_o, head_end_o,
  output logic [63:0]            head_value_o,
  output logic [3:0]             head_cause_o,
  output logic [255:0]           head_user_o,  // a cycle later, of one that leaves
  input  logic                   free_i
);

  localparam logic [12:0] Headroom = 13'd256;
  localparam logic [23:0] FirstRegion = 24'h400000;

  logic [SlotWidth-1:0] tail_q, next_q, head_q, open_q;
  logic [SlotWidth:0]   used_q;
  logic [Slots-1:0]     taken_q, known_q, closed_q, bad_q, native_q, finished_q;
  logic [12:0]          meta_q [Slots];
  logic [12:0]          data_q [Slots];
  logic [12:0]          lowest_q [Slots];
  logic [12:0]          end_q [Slots];
  logic [12:0]          arrived_q [Slots];
  logic [23:0]          region_q [Slots];
  logic [31:0]          port_q [Slots];
  logic [31:0]          queue_q [Slots];
  logic [31:0]          tag_q [Slots];
  logic [31:0]          came_q [Slots];
  logic [31:0]          ended_q [Slots];
  logic [63:0]          value_q [Slots];
  logic [3:0]           cause_q [Slots];
  logic [15:0]          pc_q [Slots];
  logic [36:0]          redirect_q [Slots];
  logic [Slots-1:0]     redirected_q;
  logic [SlotWidth-1:0] slot_q [Threads];

  assign room_o         = used_q != (SlotWidth+1)'(Slots);
  assign tail_o         = tail_q;
  assign waiting_o      = taken_q[next_q] && (closed_q[next_q] || known_q[next_q]);
  assign alone_o        = next_q == head_q;
  assign waiting_bad_o  = bad_q[next_q];
  assign waiting_native_o = native_q[next_q];
  assign waiting_end_o    = end_q[next_q];

  assign slot_o    = slot_q[thread_i];
  assign native_o  = native_q[slot_o];
  assign region_o  = region_q[slot_o];
  assign meta_o    = meta_q[slot_o];
  assign data_o    = data_q[slot_o];
  assign end_o     = end_q[slot_o];
  assign arrived_o = closed_q[slot_o] ? 13'd4096 : arrived_q[slot_o];
  assign port_o    = port_q[slot_o];
  assign queue_o   = queue_q[slot_o];

  assign look_slot_o   = slot_q[look_thread_i];
  assign look_tag_o    = tag_q[look_slot_o];
  assign look_meta_o   = meta_q[look_slot_o];
  assign look_data_o   = data_q[look_slot_o];
  assign look_end_o    = end_q[look_slot_o];
  assign look_region_o = region_q[look_slot_o];

  logic [SlotWidth-1:0] edge_slot;
  assign edge_slot_o   = edge_slot;
  assign edge_lowest_o = lowest_q[edge_slot];
  assign edge_slot     = slot_q[edge_thread_i];
  assign edge_native_o = native_q[edge_slot];
  assign edge_whole_o  = closed_q[edge_slot];
  assign edge_meta_o   = meta_q[edge_slot];
  assign edge_data_o   = data_q[edge_slot];
  assign edge_end_o    = end_q[edge_slot];

  assign head_o        = head_q;
  assign leaving_o     = finished_q[head_q] && closed_q[head_q];
  assign leaving_bad_o = bad_q[head_q];
  assign head_native_o = native_q[head_q];
  assign head_meta_o   = meta_q[head_q];
  assign head_data_o   = data_q[head_q];
  assign head_end_o    = end_q[head_q];
  assign head_value_o  = value_q[head_q];
  assign head_cause_o  = cause_q[head_q];
  always_ff @(posedge clk_i) begin
    if (leaving_o) begin
      head_user_o <= {redirected_q[head_q] ? redirect_q[head_q] : 37'd0, ended_q[head_q], came_q[head_q], end_q[head_q],
                      data_q[head_q], meta_q[head_q], pc_q[head_q], cause_q[head_q], value_q[head_q], tag_q[head_q]};
    end
  end

  function automatic logic [SlotWidth-1:0] after(input logic [SlotWidth-1:0] slot);
    after = slot == SlotWidth'(Slots - 1) ? '0 : slot + SlotWidth'(1);
  endfunction

  logic [SlotWidth-1:0] finish_slot;
  assign finish_slot = slot_q[finish_thread_i];

  always_ff @(posedge clk_i) begin
    if (take_i) begin
      tail_q             <= after(tail_q);
      open_q             <= tail_q;
      taken_q[tail_q]    <= 1'b1;
      known_q[tail_q]    <= take_known_i;
      closed_q[tail_q]   <= !take_native_i;
      bad_q[tail_q]      <= 1'b0;
      native_q[tail_q]   <= take_native_i;
      finished_q[tail_q] <= 1'b0;
      meta_q[tail_q]     <= Headroom;
      data_q[tail_q]     <= Headroom;
      lowest_q[tail_q]   <= Headroom;
      end_q[tail_q]      <= take_known_i ? take_end_i : Headroom;
      arrived_q[tail_q]  <= Headroom;
      region_q[tail_q]   <= FirstRegion;
      port_q[tail_q]     <= take_port_i;
      queue_q[tail_q]    <= take_queue_i;
      tag_q[tail_q]      <= take_tag_i;
      came_q[tail_q]     <= cycle_i;
    end
    if (take_i) redirected_q[tail_q] <= 1'b0;
    if (redirect_i) begin
      redirect_q[slot_q[redirect_thread_i]]   <= redirect_to_i;
      redirected_q[slot_q[redirect_thread_i]] <= 1'b1;
    end
    if (grow_i) arrived_q[open_q] <= grow_to_i;
    if (close_i) begin
      closed_q[open_q] <= 1'b1;
      bad_q[open_q]    <= close_bad_i;
      // A frame that is shorter than announced ends where it ends: what is behind it was another packet's.
      if (!known_q[open_q] || grow_to_i < end_q[open_q]) end_q[open_q] <= grow_to_i;
    end
    if (skip_i) begin
      next_q             <= after(next_q);
      finished_q[next_q] <= 1'b1;
      taken_q[next_q]    <= 1'b0;
    end
    if (begin_i) begin
      next_q                 <= after(next_q);
      taken_q[next_q]        <= 1'b0;
      slot_q[begin_thread_i] <= next_q;
    end
    if (edge_set_i[0]) meta_q[edge_slot] <= edge_value_i;
    if (edge_set_i[0] && edge_value_i < lowest_q[edge_slot]) lowest_q[edge_slot] <= edge_value_i;
    if (edge_set_i[1]) data_q[edge_slot] <= edge_value_i;
    if (edge_set_i[2]) end_q[edge_slot] <= edge_value_i;
    if (set_i[0]) meta_q[look_slot_o] <= set_value_i[12:0];
    if (set_i[0] && set_value_i[12:0] < lowest_q[look_slot_o]) lowest_q[look_slot_o] <= set_value_i[12:0];
    if (set_i[1]) data_q[look_slot_o] <= set_value_i[12:0];
    if (set_i[2]) end_q[look_slot_o] <= set_value_i[12:0];
    if (set_i[3]) region_q[look_slot_o] <= set_value_i;
    if (finish_i) begin
      finished_q[finish_slot] <= 1'b1;
      value_q[finish_slot]    <= finish_value_i;
      cause_q[finish_slot]    <= finish_cause_i;
      pc_q[finish_slot]       <= 16'(finish_pc_i);
      ended_q[finish_slot]    <= cycle_i;
    end
    if (free_i) begin
      head_q             <= after(head_q);
      finished_q[head_q] <= 1'b0;
      closed_q[head_q]   <= 1'b0;
    end
    used_q <= used_q + (SlotWidth+1)'(take_i) - (SlotWidth+1)'(free_i);
    if (rst_i) begin
      tail_q     <= '0;
      next_q     <= '0;
      head_q     <= '0;
      used_q     <= '0;
      taken_q    <= '0;
      finished_q <= '0;
      closed_q   <= '0;
    end
  end

endmodule

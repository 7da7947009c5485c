// SPDX-License-Identifier: Apache-2.0
//
// The map engine: lookups, updates and deletions in maps whose tables stand in data memory, redirects and tail calls.
// ../doc/maps.md has the tables' layout. One operation at a time; each thread has a place where its request waits.
//
// A key of up to 16 bytes comes with the request; a longer one, and what an update writes, stands in the scratch of the
// thread's call depth as the bytes of an entry: key, then value. So the engine copies whole rows and reaches no memory
// of the program's. What it cannot do it gives to the host, and waits: the tables do not change until the answer is there.
module forager_maps
  import forager_core_pkg::*;
  import forager_map_pkg::*;
#(
  parameter int unsigned Threads = 8,
  parameter int unsigned ThreadWidth = 3,
  parameter int unsigned PcWidth = 16,
  parameter int unsigned RowWidth = 11,
  parameter int unsigned ScratchRow = 1536,
  parameter int unsigned TableRow = 1664  // of the descriptors
) (
  input  logic                   clk_i, rst_i,
  input  logic [23:0]            region_i,   // of map 0, as MapRegion
  input  logic [31:0]            seed_i,
  input  logic                   begin_i,    // a thread begins with a packet
  input  logic [ThreadWidth-1:0] begin_thread_i,

  // A request. `with` is the operation's offset: the map's number in the low 6 bits, words of its key in the upper 5.
  input  logic                   ask_i,
  input  logic [ThreadWidth-1:0] ask_thread_i,
  input  logic [PcWidth-1:0]     ask_pc_i,
  input  logic [2:0]             ask_depth_i,
  input  logic [3:0]             ask_fn_i,
  input  logic [14:0]            ask_with_i,
  input  logic [63:0]            ask_a_i, ask_b_i, ask_other_i,

  // The answer; a tail call goes on at the bundle instead.
  output logic                   answer_o,
  input  logic                   answer_ready_i,
  output logic                   answer_jump_o,
  output logic [ThreadWidth-1:0] answer_thread_o,
  output logic [63:0]            answer_value_o,

  // Given to the host, which answers the thread.
  output logic                   host_o,
  input  logic                   host_ready_i,
  output logic [ThreadWidth-1:0] host_thread_o,
  output logic [PcWidth-1:0]     host_pc_o,
  output logic [63:0]            host_a_o, host_b_o, host_other_o,
  input  logic                   host_done_i,
  input  logic [ThreadWidth-1:0] host_done_thread_i,

  // The thread's packet: its edges, and where it goes.
  input  logic                   native_i, whole_i,
  input  logic [12:0]            meta_i, data_i, end_i,
  input  logic [12:0]            lowest_i,  // below it no byte of the packet was seen
  input  logic [RowWidth-1:0]    buffer_i,  // the buffer's first row
  output logic [2:0]             edge_o,  // meta, data, end
  output logic [12:0]            edge_value_o,
  output logic                   redirect_o,
  output logic [ThreadWidth-1:0] redirect_thread_o,
  output logic [1:0]             redirect_kind_o,  // 0: not at all, 1: port `value`, 2: entry `value` of the map, 3: as the host says
  output logic [5:0]             redirect_map_o,
  output logic [28:0]            redirect_value_o,

  // Rows of data memory.
  output logic                   row_o,
  input  logic                   row_grant_i,
  output logic [RowWidth-1:0]    row_number_o,
  output logic [63:0]            row_write_o,
  output logic [511:0]           row_data_o,
  input  logic [511:0]           row_data_i
);

  // ---- requests ----

  state_e                 state_q;
  logic                   queue_ready, take;
  logic [ThreadWidth-1:0] queue_thread, thread_q;
  logic [PcWidth-1:0]     queue_pc, pc_q;
  logic [2:0]             queue_depth, depth_q;
  logic [14:0]            queue_with, with_q;
  logic [3:0]             queue_fn, fn_q;
  logic [63:0]            queue_a, queue_b, queue_other, a_q, b_q, other_q, flags_q;
  logic [31:0]            queue_hash, bucket_hash_q;

  forager_map_queue #(.Threads(Threads), .ThreadWidth(ThreadWidth), .PcWidth(PcWidth)) u_queue (
    .clk_i, .rst_i, .seed_i, .ask_i, .ask_thread_i, .ask_pc_i, .ask_depth_i, .ask_fn_i, .ask_with_i, .ask_a_i, .ask_b_i,
    .ask_other_i, .ready_o(queue_ready), .take_i(take), .thread_o(queue_thread), .pc_o(queue_pc), .depth_o(queue_depth),
    .fn_o(queue_fn), .with_o(queue_with), .a_o(queue_a), .b_o(queue_b), .other_o(queue_other), .hash_o(queue_hash)
  );
  assign take = queue_ready && (state_q == Idle || (state_q == Answer && answer_ready_i));

  // ---- the map's descriptor, one row of sixteen words ----

  logic                load;
  logic [RowWidth-1:0] bucket_row_q, link_row_q, entry_row_q, value_row_q, cpu_rows_q;
  logic [31:0]         entries_q, mask_q;
  logic [23:0]         free_q, spare_q;
  logic [3:0]          kind;
  logic [6:0]          key_bytes;
  logic                marked, per_cpu, nested;
  logic [1:0]          shift, value_shift;
  logic [2:0]          image_rows;
  logic [7:0]          value_offset;
  logic [15:0]         stride;

  forager_map_descriptor #(.RowWidth(RowWidth)) u_descriptor (
    .clk_i, .load_i(load), .row_i(row_data_i), .kind_o(kind), .key_bytes_o(key_bytes), .marked_o(marked),
    .per_cpu_o(per_cpu), .nested_o(nested), .shift_o(shift), .value_shift_o(value_shift), .entries_o(entries_q),
    .mask_o(mask_q), .bucket_row_o(bucket_row_q), .link_row_o(link_row_q), .entry_row_o(entry_row_q),
    .value_row_o(value_row_q), .value_offset_o(value_offset), .image_rows_o(image_rows), .stride_o(stride),
    .cpu_rows_o(cpu_rows_q), .free_o(free_q), .spare_o(spare_q)
  );
  assign load = state_q == KeyHere;

  // ---- registers of the operation ----

  logic [511:0]          key_q;
  logic [127:0]          hash_q;
  logic [31:0]           hash_word;
  logic [4:0]            round_q;
  logic [23:0]           node_q, next_q, fresh_q, found_q;
  logic                  hit_q, zeros_q, writing_q;
  logic [2:0]            image_q;
  logic [ThreadWidth-1:0] lane_q;
  logic [RowWidth-1:0]   slot_row_q;   // where the number that led to node_q stands
  logic [3:0]            slot_word_q;
  logic [31:0]           product_q;
  logic [63:0]           value_q;
  logic                  jump_q;
  logic [1:0]            redirect_kind_q;
  logic [5:0]            tails_q [Threads];
  logic [5:0]            map;
  logic                  is_update, is_delete, is_lookup, is_redirect_map, is_tail_call;
  logic                  in_scratch;

  assign map             = with_q[5:0];
  assign in_scratch      = with_q[6];
  assign is_lookup       = fn_q == UnitLookup;
  assign is_update       = fn_q == UnitUpdate;
  assign is_delete       = fn_q == UnitDelete;
  assign is_redirect_map = fn_q == UnitRedirectMap;
  assign is_tail_call    = fn_q == UnitTailCall;

  logic [4:0] key_words;
  assign key_words = with_q[12:8];
  assign hash_word = round_q < key_words ? key_q[{round_q[3:0], 5'd0} +: 32] : 32'd0;

  // ---- what a row says ----

  function automatic logic [23:0] number_in(input logic [3:0] word);
    number_in = row_data_i[{word, 5'd0} +: 24];
  endfunction

  logic        same_key, linked_q;  // linked_q: the row of its link comes with it
  forager_match u_match (.clk_i, .row_i(row_data_i), .key_i(key_q), .key_bytes_i(key_bytes), .same_o(same_key));

  // A key that says to be longer than it is finds nothing.
  logic        too_long, covers, joins;
  logic [23:0] child;
  assign too_long = key_q[31:0] > 32'({key_bytes - 7'd4, 3'd0});

  forager_prefix u_prefix (
    .clk_i, .load_i(state_q == NodeHere), .row_i(row_data_i[191:0]), .key_i(key_q[159:32]), .key_length_i(key_q[7:0]),
    .covers_o(covers), .joins_o(joins), .child_o(child)
  );

  logic [RowWidth-1:0] link_row;
  assign link_row = link_row_q + RowWidth'(node_q[23:4]);

  function automatic logic [63:0] pointer(input logic [23:0] first, input logic [5:0] number, input logic [31:0] offset);
    pointer = {first + {17'd0, number, 1'b1}, 1'b1, 7'd0, offset};
  endfunction

  // A value's place in the map's memory.
  logic [31:0] value_at;
  logic [23:0] value_node;
  assign value_node = kind == MapTrie ? found_q : node_q;
  assign value_at = per_cpu ? {rows_before(value_node, value_shift), 6'd0}
                            : {rows_before(value_node, shift), 6'd0} + 32'(value_offset);

  // ---- edges of the packet ----

  logic        is_head, is_tail, out_of_bounds, denied, exposes, zeros_end;
  logic [12:0] moved, zero_from, zero_to, zero_from_q, zero_to_q;
  logic [63:0] zero_bytes;
  assign is_head = fn_q == UnitAdjustHead;
  assign is_tail = fn_q == UnitAdjustTail;

  forager_edges u_edges (
    .clk_i, .is_head_i(is_head), .is_tail_i(is_tail), .by_i(a_q[31:0]), .meta_i, .data_i, .end_i, .lowest_i, .moved_o(moved),
    .out_of_bounds_o(out_of_bounds), .denied_o(denied), .exposes_o(exposes), .from_o(zero_from), .to_o(zero_to),
    .zero_from_i(zero_from_q), .zero_to_i(zero_to_q), .zero_bytes_o(zero_bytes), .zeros_end_o(zeros_end)
  );

  // ---- rows ----

  logic [31:0] bucket;
  assign bucket = bucket_hash_q & mask_q;

  forager_map_rows #(
    .ThreadWidth(ThreadWidth), .RowWidth(RowWidth), .ScratchRow(ScratchRow), .TableRow(TableRow)
  ) u_rows (
    .state_i(state_q),
    .bucket_i(RowWidth'(bucket[31:4])), .node_i(node_q), .shift_i(shift), .per_cpu_i(per_cpu),
    .image_i(image_q), .key_row_i(with_q[14:13]), .lane_i(lane_q), .cpu_rows_i(cpu_rows_q), .fresh_i(fresh_q),
    .value_shift_i(value_shift), .map_i(map), .thread_i(thread_q), .depth_i(depth_q),
    .bucket_row_i(bucket_row_q), .link_row_i(link_row_q), .entry_row_i(entry_row_q),
    .value_row_i(value_row_q), .index_i(RowWidth'(a_q[31:3])), .buffer_i, .zero_row_i(zero_from_q[12:6]),
    .zero_bytes_i(zero_bytes), .is_delete_i(is_delete), .is_update_i(is_update), .hit_i(hit_q),
    .free_i(free_q), .next_i(next_q), .slot_row_i(slot_row_q), .slot_word_i(slot_word_q), .zeros_i(zeros_q),
    .writing_i(writing_q), .key_i(key_q), .row_data_i, .row_o, .row_number_o, .row_write_o, .row_data_o
  );

  // ---- the operation, step by step ----

  localparam logic [63:0] Exists = -64'sd17, Missing = -64'sd2, Full = -64'sd7;
  localparam logic [63:0] Denied = -64'sd13, Invalid = -64'sd22;

  always_ff @(posedge clk_i) begin
    if (begin_i) tails_q[begin_thread_i] <= '0;
    product_q <= 32'(a_q[31:0] * 32'(stride));
    unique case (state_q)
      Idle: ;
      Describe: begin
        // A map that the program has from another map comes as a pointer.
        if (with_q[7]) begin
          with_q  <= {with_q[14:8], 1'b0, in_scratch, 6'((other_q[63:40] - region_i) >> 1)};
          flags_q <= '0;
        end
        else if (fn_q <= UnitAdjustMeta) state_q <= Adjust;
        else if (row_grant_i) state_q <= KeyHere;
        key_q   <= {384'd0, b_q, a_q};
        image_q <= '0;
      end
      KeyHere: begin
        found_q <= '0;
        hit_q   <= 1'b0;
        node_q  <= row_data_i[375:352];
        value_q <= is_redirect_map ? {62'd0, b_q[1:0]} : '0;
        state_q <= Begin;
      end
      // What the descriptor says is looked at, and a bucket read meanwhile should there be any.
      Begin: begin
        slot_row_q  <= bucket_row_q + RowWidth'(bucket[31:4]);
        slot_word_q <= bucket[3:0];
        unique case (kind)
          MapHash:  state_q <= in_scratch ? Key : row_grant_i ? HeadHere : Begin;
          MapTrie:  state_q <= !is_lookup ? Ask : in_scratch ? Key : Entry;
          MapArray: state_q <= is_lookup ? Scale : Ask;
          MapTable: state_q <= Scale;
          default:  state_q <= Ask;
        endcase
        if (fn_q == UnitRedirect) begin
          redirect_kind_q  <= 2'd1;
          redirect_value_o <= a_q[28:0];
          value_q          <= 64'd4;
          state_q          <= a_q[31:29] != 3'd0 ? Ask : Answer;
        end
      end
      Key: if (row_grant_i) state_q <= KeyRow;
      KeyRow: begin
        key_q   <= row_data_i;
        hash_q  <= {32'h736f6d65 ^ seed_i, 32'h646f7261, 32'h6c796765 ^ seed_i, 32'h74656462};
        round_q <= '0;
        state_q <= kind == MapHash ? Hash : Entry;
      end

      // Hash tables: a bucket's chain of nodes.
      Hash: begin
        hash_q  <= forager_hash_pkg::hash_round(hash_q, hash_word);
        round_q <= round_q + 5'd1;
        if (round_q == key_words + 5'd2) begin
          bucket_hash_q <= forager_hash_pkg::hash_of(hash_q[95:64], hash_q[31:0]);
          state_q       <= Head;
        end
      end
      Head: begin
        slot_row_q  <= bucket_row_q + RowWidth'(bucket[31:4]);
        slot_word_q <= bucket[3:0];
        if (row_grant_i) state_q <= HeadHere;
      end
      HeadHere: begin
        node_q  <= number_in(slot_word_q);
        state_q <= Entry;
      end
      Entry: if (kind == MapTrie && node_q == '0) state_q <= Answer;
      else if (kind == MapHash && node_q == '0) begin
        // Nothing there.
        fresh_q <= free_q;
        state_q <= Answer;
        if (is_delete || (is_update && flags_q == 64'd2)) value_q <= Missing;
        else if (is_update) begin
          if (flags_q > 64'd2 || (free_q == '0 && marked)) state_q <= Ask;
          else if (free_q != '0) state_q <= Fresh;
          else value_q <= Full;
        end
      end else if (row_grant_i) state_q <= kind == MapTrie ? NodeHere : EntryHere;
      EntryHere: begin
        if (is_lookup && nested) value_q <= row_data_i[{value_offset[5:3], 6'd0} +: 64];
        linked_q <= row_grant_i;
        state_q  <= Same;
      end
      Same: begin
        hit_q   <= same_key;
        found_q <= node_q;
        if (is_lookup && !nested && same_key) value_q <= pointer(region_i, map, value_at);
        if (is_lookup && nested && !same_key) value_q <= '0;
        if (!same_key && linked_q) begin
          slot_row_q  <= link_row;
          slot_word_q <= node_q[3:0];
          node_q      <= number_in(node_q[3:0]);
          state_q     <= Entry;
        end else if (!same_key) state_q <= Link;
        else if (is_redirect_map) begin
          redirect_kind_q  <= 2'd2;
          redirect_value_o <= a_q[28:0];
          value_q          <= a_q[31:29] == '0 ? 64'd4 : value_q;
          state_q          <= a_q[31:29] == '0 ? Answer : Ask;
        end else if (is_lookup) state_q <= marked && !nested ? Mark : Answer;
        else if (is_update && flags_q == 64'd1) begin
          value_q <= Exists;
          state_q <= Answer;
        end else if (is_update && flags_q > 64'd2) state_q <= Ask;
        else if (is_update && per_cpu) begin
          fresh_q <= node_q;
          image_q <= 3'd1;
          lane_q  <= thread_q;
          zeros_q <= 1'b0;
          state_q <= Image;
        end else state_q <= Link;
      end
      // Nodes that cover the key follow each other; the last that has a value is it.
      NodeHere: state_q <= Prefix;
      Prefix: begin
        if (covers && !too_long && !joins) found_q <= node_q;
        node_q  <= child;
        state_q <= too_long || !covers || child == '0 ? Scale : Entry;
      end
      Link: if (row_grant_i) state_q <= LinkHere;
      LinkHere: begin
        next_q <= number_in(node_q[3:0]);
        if (!hit_q) begin
          slot_row_q  <= link_row;
          slot_word_q <= node_q[3:0];
          node_q      <= number_in(node_q[3:0]);
          state_q     <= Entry;
        end else if (is_delete) begin
          state_q <= SetSlot;
        end else begin
          fresh_q <= spare_q;
          image_q <= '0;
          zeros_q <= 1'b0;
          state_q <= Image;
        end
      end
      Mark: if (row_grant_i) state_q <= Answer;

      // A new entry: the free list goes on behind it.
      Fresh: if (row_grant_i) state_q <= FreshHere;
      FreshHere: begin
        next_q  <= number_in(fresh_q[3:0]);
        image_q <= '0;
        lane_q  <= '0;
        zeros_q <= 1'b0;
        state_q <= Image;
      end
      Image: begin
        zeros_q   <= per_cpu && image_q != '0 && lane_q != thread_q;
        writing_q <= 1'b0;
        if (row_grant_i) state_q <= ImageHere;
      end
      ImageHere: begin
        // What was read is gone should the port be somebody else's.
        if (!writing_q) key_q <= row_data_i;
        writing_q <= 1'b1;
        if (row_grant_i) begin
          image_q <= image_q + 3'd1;
          state_q <= Image;
          if (image_q + 3'd1 == image_rows) begin
            if (per_cpu && !hit_q && lane_q != ThreadWidth'(Threads - 1)) begin
              lane_q  <= lane_q + ThreadWidth'(1);
              image_q <= 3'd1;
            end else begin
              state_q <= !per_cpu || !hit_q ? SetLink : marked ? Mark : Answer;
            end
          end
        end
      end
      SetLink: if (row_grant_i) state_q <= is_delete ? SetHead : SetSlot;
      SetSlot: if (row_grant_i) state_q <= is_delete ? SetLink : SetHead;
      SetHead: if (row_grant_i) state_q <= Answer;

      // Arrays and tables: by index; and what was found becomes a pointer.
      Scale: begin
        state_q <= Answer;
        if (kind == MapArray) begin
          if (a_q[31:0] < entries_q) value_q <= pointer(region_i, map, product_q);
        end else if (kind == MapTable) begin
          if (a_q[31:0] < entries_q) state_q <= Element;
        end else if (found_q != '0) begin
          value_q <= pointer(region_i, map, value_at);
        end
      end
      Element: if (row_grant_i) state_q <= ElementHere;
      ElementHere: begin
        value_q <= row_data_i[{a_q[2:0], 6'd0} +: 64];
        state_q <= is_lookup ? Answer : Word;
      end
      Word: begin
        state_q <= Answer;
        if (is_redirect_map) begin
          redirect_kind_q  <= value_q != '0 ? 2'd2 : 2'd0;
          redirect_value_o <= a_q[28:0];
          value_q          <= value_q != '0 ? 64'd4 : {62'd0, b_q[1:0]};
        end else if (is_tail_call && value_q != '0 && tails_q[thread_q] != 6'd33) begin
          // The uppermost bit: there is a program, which is not loaded yet.
          tails_q[thread_q] <= tails_q[thread_q] + 6'd1;
          jump_q            <= !value_q[63];
          value_q           <= {32'd0, value_q[31:0] - 32'd1};
          if (value_q[63]) state_q <= Ask;
        end else value_q <= '0;
      end

      // An edge of the packet, as Frame::adjust_* of host/exec do it; metadata to be moved is the host's. Bytes that come
      // to the packet are zero: what stood there was another's.
      // Bytes that are still to come would be written over its tail's zeros.
      Adjust: if (!is_tail || whole_i) begin
        value_q <= '0;
        state_q <= !native_i || (is_head && meta_i != data_i) ? Ask : Move;
      end
      Move: begin
        zero_from_q <= zero_from;
        zero_to_q   <= zero_to;
        state_q     <= Answer;
        if (out_of_bounds) value_q <= Invalid;
        else if (denied) value_q <= Denied;
        else if (exposes) state_q <= Zero;
      end
      Zero: if (row_grant_i) begin
        zero_from_q <= {zero_from_q[12:6] + 7'd1, 6'd0};
        if (zeros_end) state_q <= Answer;
      end

      Ask:    if (host_ready_i) state_q <= Asleep;
      Asleep: if (host_done_i && host_done_thread_i == thread_q) state_q <= Idle;
      default: if (answer_ready_i) begin
        jump_q  <= 1'b0;
        state_q <= Idle;
      end
    endcase
    if (take) begin
      thread_q        <= queue_thread;
      pc_q            <= queue_pc;
      depth_q         <= queue_depth;
      with_q          <= queue_with;
      fn_q            <= queue_fn;
      a_q             <= queue_a;
      b_q             <= queue_b;
      other_q         <= queue_other;
      flags_q         <= queue_other;
      bucket_hash_q   <= queue_hash;
      redirect_kind_q <= 2'd0;
      state_q         <= Describe;
    end
    if (rst_i) begin
      state_q  <= Idle;
      thread_q <= '0;
      jump_q   <= 1'b0;
    end
  end

  assign edge_value_o = moved;
  always_comb begin
    edge_o = '0;
    if (answer_o && answer_ready_i && value_q == '0) begin
      edge_o = is_head ? 3'b011 : is_tail ? 3'b100 : fn_q == UnitAdjustMeta ? 3'b001 : 3'b000;
    end
  end

  assign answer_o        = state_q == Answer;
  assign answer_jump_o   = jump_q;
  assign answer_thread_o = thread_q;
  assign answer_value_o  = value_q;

  assign host_o        = state_q == Ask;
  assign host_thread_o = thread_q;
  assign host_pc_o     = pc_q;
  assign host_a_o      = a_q;
  assign host_b_o      = b_q;
  assign host_other_o  = other_q;

  // What the host says holds instead of what was said before.
  assign redirect_o        = ((answer_o && answer_ready_i) || (host_o && host_ready_i)) && (is_redirect_map || fn_q == UnitRedirect);
  assign redirect_kind_o   = host_o ? 2'd3 : redirect_kind_q;
  assign redirect_thread_o = thread_q;
  assign redirect_map_o    = map;

endmodule

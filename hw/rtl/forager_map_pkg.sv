// SPDX-License-Identifier: Apache-2.0
//
// The steps of the map engine (forager_maps), and arithmetic of its tables.
package forager_map_pkg;

  typedef enum logic [5:0] {
    Idle, Describe, KeyHere, Begin, Key, KeyRow, Hash, Head, HeadHere, Entry, EntryHere, Same, Link, LinkHere, NodeHere,
    Prefix, Scale, Element, ElementHere, Word, Adjust, Move, Zero, Mark, Fresh, FreshHere, Image, ImageHere, SetLink, SetSlot,
    SetHead, Ask, Asleep, Answer
  } state_e;

  // Rows before a node's, each of which has 1, 2 or 4. No shift by a variable: Yosys would make one shifter of all that are
  // not needed at once, which then waits for whoever decides whose turn it is.
  function automatic logic [25:0] rows_before(input logic [23:0] node, input logic [1:0] shift);
    rows_before = shift[1] ? {node, 2'd0} : shift[0] ? {1'b0, node, 1'b0} : {2'd0, node};
  endfunction

endpackage

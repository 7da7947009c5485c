// SPDX-License-Identifier: Apache-2.0
//
// The steps of the map engine (forager_maps).
package forager_map_pkg;

  typedef enum logic [4:0] {
    Idle, Describe, Key, KeyHere, KeyRow, Hash, Head, HeadHere, Entry, EntryHere, Prefix, Link, LinkHere, Multiply,
    Scale, Element, ElementHere, Adjust, Move, Zero, Mark, Fresh, FreshHere, Image, ImageHere, SetLink, SetSlot, SetHead, Ask,
    Asleep, Answer
  } state_e;

endpackage

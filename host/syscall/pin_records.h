// SPDX-License-Identifier: Apache-2.0
//
// Pin records: what is kept of an object that outlives its process, and the bytes of it (docs/adr/0009-pins.md).
//
// Objects name one another by the number of their file (pin_file.h), 0 for none. Numbers are little-endian, booleans
// one byte, lists and texts their count (u64) and their elements; one description of each record serves both ways.
//
// Bytes are hostile: unpack() believes no count beyond the bytes that are there, and wants all of them used. Whether
// what the records say makes sense is for those who make objects of them.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "program/program.h"

namespace forager::syscall {

struct BtfRecord {
  std::vector<std::byte> types;
};

// A program::MapSpec without what it is bound to.
struct ShapeRecord {
  std::uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  std::uint64_t extra = 0;
  std::string name;
  std::vector<program::ValueField> fields;  // of an example only: a map's own come from its BTF
};

// Elements: keys and values one behind the other, as user space passes them. Snapshots (maps/snapshot.h) are all value.
struct Contents {
  std::vector<std::byte> keys, values;
};

struct MapRecord {
  ShapeRecord shape;
  std::uint32_t btf = 0, key_type = 0, value_type = 0;
  bool has_example = false;
  ShapeRecord example;  // what a map of maps holds
  bool frozen = false;
  Contents contents;
};

struct ProgramRecord {
  std::string name;
  std::uint32_t type = 0, attach_type = 0;
  bool gpl_compatible = false, xdp_has_frags = false;
  std::vector<isa::Slot> slots;  // maps by their index in `maps`
  std::uint32_t btf = 0;
  std::vector<std::byte> functions, lines;      // struct bpf_func_info, bpf_line_info
  std::vector<std::uint32_t> maps, also_bound;  // the second by BPF_PROG_BIND_MAP
};

struct PinRecord {
  std::string path;
  std::uint32_t object = 0;
};

// Of the four records above.
template <class Record>
[[nodiscard]] std::vector<std::byte> pack(const Record& record);
// Nothing for bytes that pack() cannot have given.
template <class Record>
[[nodiscard]] std::optional<Record> unpack(std::span<const std::byte> bytes);

}  // namespace forager::syscall

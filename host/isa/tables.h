// SPDX-License-Identifier: Apache-2.0
//
// Helpers, map types, program types and contexts as constexpr data, made from helpers.def, maps.def, prog_types.def
// and ctx/*.def. These are the only lists of their kind; numbers are Linux's (include/uapi/linux/bpf.h), so that
// every BPF ELF means here what it means there.
//
// Tested by: tests/unit/isa_tables_test.cc (against the uapi header and against each other).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace forager::isa {

// ---- program types -------------------------------------------------------------------------------------------

// Linux's enum bpf_prog_type, all of it, and forager's own raw-memory type (r1 = memory, r2 = its length in bytes),
// which conformance vectors run as. `raw_memory` is outside Linux's range on purpose.
enum class ProgType : std::uint32_t {
#define FORAGER_PROG_TYPE(id, name, ...) name = id,
#include "isa/prog_types.def"
};

// A set of program types: bit n is the nth row of prog_types.def.
using ProgTypeSet = std::uint64_t;

// What a program's return value means (named in reports) and may be (return_range, checked by the verifier).
enum class ReturnRule : std::uint8_t {
#define FORAGER_RETURN_RULE(name, ...) name,
#include "isa/prog_types.def"
};

struct ReturnRange {
  std::uint64_t min, max;  // inclusive, unsigned
};

struct ReturnName {
  std::uint32_t value;
  std::string_view name;  // "XDP_PASS"
};

struct ContextRow;

struct ProgTypeRow {
  ProgType type;
  std::string_view name;         // "xdp", bpftool's spelling
  std::string_view section;      // libbpf's ELF section prefix: "xdp", "tc", "kprobe/"
  const ContextRow* context;     // what r1 points to
  ReturnRule returns;
  std::string_view called_at;    // one phrase for people: "a frame arrives at the driver, before an skb exists"
  std::string_view status;       // "runs" or why it does not yet: shown by `feature` and `explain`
};

[[nodiscard]] std::span<const ProgTypeRow> prog_types();
[[nodiscard]] const ProgTypeRow* find_prog_type(std::uint32_t id);
[[nodiscard]] const ProgTypeRow* find_prog_type(std::string_view name);
[[nodiscard]] ProgTypeSet set_of(ProgType type);
// "XDP_PASS" for (xdp, 2); empty where the value has no name.
[[nodiscard]] std::string_view return_name(ProgType type, std::uint32_t value);
[[nodiscard]] std::span<const ReturnName> return_names(ReturnRule rule);
[[nodiscard]] ReturnRange return_range(ReturnRule rule);

// ---- contexts ------------------------------------------------------------------------------------------------

// What a load of a context field yields.
enum class FieldKind : std::uint8_t {
  scalar,          // bytes of the uapi struct, any narrower aligned width allowed if `narrow`
  packet,          // 4-byte field that yields the pointer to the packet's first byte
  packet_end,      // ... one past its last byte
  packet_meta,     // ... its metadata
  socket,          // pointer to struct bpf_sock, or null
  flow_keys,       // pointer to struct bpf_flow_keys
  pointer,         // 8-byte pointer of another kind (BTF-typed or opaque)
  hidden,          // reserved bytes: no access
  bytes,           // a run of bytes without fields: any aligned width
};

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, read_write = 3 };

struct ContextField {
  std::string_view name;
  std::uint16_t offset;  // bytes in the uapi struct
  std::uint16_t size;    // bytes; arrays count as a whole
  std::uint16_t element; // bytes of one element (== size where it is no array)
  FieldKind kind;
  Access access;         // in the program types that use this context, before the per-type exceptions below
  bool narrow;           // loads of 1, 2 bytes inside the field are allowed
  ProgTypeSet only;      // program types that may touch it; 0 = all that use this context
  ProgTypeSet writers;   // program types that may write it (access has write); 0 = all
  bool narrow_store;     // stores narrower than the element are allowed too
  bool wide;             // 8-byte loads and stores that span two elements are allowed
};

struct ContextRow {
  std::string_view name;  // "xdp_md", "__sk_buff", "pt_regs", ...
  std::uint16_t size;     // bytes of the uapi struct
  bool has_packet;        // data/data_end style packet access exists
  std::span<const ContextField> fields;
};

[[nodiscard]] std::span<const ContextRow> contexts();
[[nodiscard]] const ContextRow* find_context(std::string_view name);
// The field that holds byte `offset`, or nullptr.
[[nodiscard]] const ContextField* find_field(const ContextRow& context, std::uint32_t offset);

// ---- helpers -------------------------------------------------------------------------------------------------

// Linux's enum bpf_arg_type, the parts a verifier and an engine need to know.
enum class Arg : std::uint8_t {
  none, anything, const_map, map_key, map_value, map_value_uninit, map_value_or_null,
  mem, mem_or_null, mem_uninit,        // readable (or to be filled) memory, its size in the next argument
  const_size, const_size_or_zero,      // that size, in bytes
  alloc_mem, const_alloc_size,         // a reserved record, and the constant size that reserves it
  ctx, socket, socket_common, socket_or_null, btf_pointer, btf_pointer_or_null,
  spin_lock, callback, stack_or_null, const_string, timer, dynptr, kptr, long_out, int_out, percpu_btf_pointer,
};

enum class Ret : std::uint8_t {
  integer, nothing, map_value, map_value_or_null, socket_or_null, socket_common_or_null, tcp_socket_or_null,
  record_or_null,  // ring-buffer record
  mem_or_null, btf_pointer, btf_pointer_or_null, dynptr_slice_or_null,
};

struct HelperRow {
  std::uint32_t id;             // Linux's number
  std::string_view name;        // "map_lookup_elem", without "bpf_"
  Ret returns;
  std::array<Arg, 5> args;
  ProgTypeSet program_types;    // who may call it
  bool gpl_only;
  bool changes_packet;          // packet pointers are invalid afterwards
};

[[nodiscard]] std::span<const HelperRow> helpers();
[[nodiscard]] const HelperRow* find_helper(std::uint32_t id);
[[nodiscard]] const HelperRow* find_helper(std::string_view name);

// ---- maps ----------------------------------------------------------------------------------------------------

enum class MapType : std::uint32_t {
#define FORAGER_MAP(id, name, ...) name = id,
#include "isa/maps.def"
};

struct MapRow {
  MapType type;
  std::string_view name;      // "hash", bpftool's spelling
  bool per_cpu;               // one value slot per possible CPU
  bool lookup_from_program;   // bpf_map_lookup_elem allowed
  bool update_from_program;
  bool delete_from_program;
  std::uint32_t flags;        // BPF_F_* creation flags that are accepted
  std::string_view status;    // "runs", or why it does not yet / has no meaning here
};

[[nodiscard]] std::span<const MapRow> maps();
[[nodiscard]] const MapRow* find_map(std::uint32_t type);
[[nodiscard]] const MapRow* find_map(std::string_view name);

}  // namespace forager::isa

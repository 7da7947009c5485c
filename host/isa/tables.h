// SPDX-License-Identifier: Apache-2.0
//
// Helpers, map types, program types, attach types and contexts as constexpr data, made from helpers.def, maps.def,
// prog_types.def, attach_types.def and ctx/*.def. These are the only lists of their kind; numbers are Linux's
// (include/uapi/linux/bpf.h), so that every BPF ELF means here what it means there.
//
// Tested by: tests/unit/isa_tables_test.cc (against the uapi header and against each other) and
// tests/unit/isa_kernel_test.cc (rights, helpers, flags: against the running kernel's verifier).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

// Where a program of a type may be hooked in: Linux's enum bpf_attach_type.
enum class AttachType : std::uint32_t {
#define FORAGER_ATTACH(id, name, ...) name = id,
#include "isa/attach_types.def"
};

// Sets: bit n is the nth row of prog_types.def; the attach type numbered n; the map type numbered n.
using ProgTypeSet = std::uint64_t;
using AttachSet = std::uint64_t;
using MapTypeSet = std::uint64_t;

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
  std::string_view name;      // "xdp", bpftool's spelling
  std::string_view section;   // libbpf's ELF section prefix: "xdp", "tc", "kprobe/"
  const ContextRow* context;  // what r1 points to
  ReturnRule returns;
  std::string_view called_at;  // one phrase for people: "a frame arrives at the driver, before an skb exists"
  std::string_view status;     // "runs" or why it does not yet: shown by `feature` and `explain`
};

[[nodiscard]] std::span<const ProgTypeRow> prog_types();
[[nodiscard]] const ProgTypeRow* find_prog_type(std::uint32_t id);
[[nodiscard]] const ProgTypeRow* find_prog_type(std::string_view name);
[[nodiscard]] ProgTypeSet set_of(ProgType type);
// "XDP_PASS" for (xdp, 2); empty where the value has no name.
[[nodiscard]] std::string_view return_name(ProgType type, std::uint32_t value);
[[nodiscard]] std::span<const ReturnName> return_names(ReturnRule rule);
[[nodiscard]] ReturnRange return_range(ReturnRule rule);
// The range at a place: some attach types narrow their program type's rule. For types whose attach type does not
// count, any number will do.
[[nodiscard]] ReturnRange return_range(const ProgTypeRow& row, std::uint32_t attach_type);

struct AttachRow {
  AttachType type;
  std::string_view name;              // "xdp_devmap", libbpf's spelling
  ProgTypeSet program_types;          // which it takes
  std::optional<ReturnRule> returns;  // absent: the program type's own
};

[[nodiscard]] std::span<const AttachRow> attach_types();
[[nodiscard]] const AttachRow* find_attach(std::uint32_t id);
[[nodiscard]] const AttachRow* find_attach(std::string_view name);

// ---- contexts ------------------------------------------------------------------------------------------------

// What a load of a context field yields.
enum class FieldKind : std::uint8_t {
  scalar,
  packet,       // the pointer to the packet's first byte (in a field of 4 or 8 bytes)
  packet_end,   // ... one past its last byte
  packet_meta,  // ... its metadata
  socket,       // pointer to struct bpf_sock
  socket_or_null,
  socket_common_or_null,  // pointer to the part that every socket has, or null
  flow_keys,              // pointer to struct bpf_flow_keys
  pointer,                // pointer of another kind (BTF-typed, or opaque)
  iter_meta,              // pointer to struct bpf_iter_meta
  kernel_map,             // pointer to struct bpf_map
  kernel_map_or_null,
  key_or_null,    // pointer to the key of a map's element, or null
  value_or_null,  // ... to its value
};

// Structures of the kernel's whose members programs may read (isa/iterators.h).
enum class KernelStruct : std::uint8_t {
  none,  // an object without members
  seq_file,
  bpf_iter_meta,
  bpf_map,
};

// Which loads and stores of a field are allowed, besides natural alignment.
enum class Width : std::uint8_t {
  full,    // exactly one element
  narrow,  // loads: inside one element. stores: full
  halves,  // loads: inside one element, at least 2 bytes. stores: full
  head,    // loads: narrower ones at the element's first byte only. stores: full
  padded,  // narrow, and a 4-byte load that takes in the zero padding behind a 2-byte field
  wide,    // narrow, and 8-byte loads and stores across two elements
  any,     // loads and stores of every width inside the field
};

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, read_write = 3 };

struct ContextField {
  std::string_view name;
  std::uint16_t offset;   // bytes in the uapi struct
  std::uint16_t size;     // bytes; arrays count as a whole
  std::uint16_t element;  // bytes of one element (== size where it is no array)
  FieldKind kind;
  Width width;
  ProgTypeSet readers, writers;      // program types that may load it, store to it ...
  AttachSet readers_at, writers_at;  // ... at these expected attach types

  // What someone, somewhere may do with it.
  [[nodiscard]] constexpr Access access() const {
    return static_cast<Access>((readers != 0 ? 1 : 0) | (writers != 0 ? 2 : 0));
  }
};

struct ContextRow {
  std::string_view name;  // "xdp_md", "__sk_buff", "pt_regs", ...
  std::uint16_t size;     // bytes of the uapi struct
  bool has_packet;        // data/data_end style packet access exists
  std::span<const ContextField> fields;
};

// One load or store of a program's context.
struct ContextAccess {
  ProgType type;
  std::uint32_t attach_type;  // expected_attach_type of BPF_PROG_LOAD
  std::uint32_t offset;       // bytes from r1's value at entry
  std::uint32_t bytes;        // 1, 2, 4 or 8
  bool store;
  const ContextRow* context = nullptr;  // null: the program type's
};

[[nodiscard]] std::span<const ContextRow> contexts();
[[nodiscard]] const ContextRow* find_context(std::string_view name);
// The field that holds byte `offset`, or nullptr.
[[nodiscard]] const ContextField* find_field(const ContextRow& context, std::uint32_t offset);
// The field of the program type's context that the access touches, or nullptr if Linux's verifier refuses it.
[[nodiscard]] const ContextField* check_access(const ContextAccess& access);

// ---- helpers -------------------------------------------------------------------------------------------------

// Linux's enum bpf_arg_type, the parts a verifier and an engine need to know.
enum class Arg : std::uint8_t {
  none,
  anything,          // any initialised value
  const_map,         // one map, known at load
  map_key,           // readable memory of the map's key size
  map_value,         // readable memory of its value size
  map_value_uninit,  // memory of its value size, to be filled
  map_value_or_null,
  mem,  // readable memory, its size in the next argument
  mem_or_null,
  mem_uninit,  // memory to be filled, its size in the next argument
  mem_update,  // readable memory that is written to, its size in the next argument
  mem_out,     // memory that is written to, perhaps in part, its size in the next argument
  mem_out_or_null,
  const_size,  // that size in bytes, bounded and not 0
  const_size_or_zero,
  alloc_mem,         // a reserved record
  const_alloc_size,  // the constant size that reserves or slices
  ctx,               // r1 as it was at entry
  ctx_or_null,
  socket,         // struct bpf_sock
  socket_common,  // any socket
  socket_or_null,
  btf_pointer,  // pointer to a kernel structure
  btf_pointer_or_null,
  percpu_btf_pointer,
  seq_file,       // struct seq_file of an iterator
  spin_lock,      // struct bpf_spin_lock in a map value
  timer,          // struct bpf_timer in a map value
  kptr,           // kernel pointer slot in a map value
  callback,       // a function of this program
  stack_or_null,  // the callback's context
  const_string,   // zero-terminated, in a read-only map
  dynptr,
  dynptr_uninit,  // stack slots that become a dynptr
  long_out,       // 8 bytes, to be filled
  int_out,        // 4 bytes, read and written
  ipv4_header,    // readable memory of 20, 40 and 20 bytes
  ipv6_header,
  tcp_header,
};

enum class Ret : std::uint8_t {
  integer,
  nothing,
  map_value,
  map_value_or_null,
  socket_or_null,
  socket_common_or_null,
  tcp_socket_or_null,
  record_or_null,  // ring-buffer record
  mem_or_null,
  btf_pointer,
  btf_pointer_or_null,
  dynptr_slice_or_null,
};

struct HelperRow {
  std::uint32_t id;       // Linux's number
  std::string_view name;  // "map_lookup_elem", without "bpf_"
  Ret returns;
  std::array<Arg, 5> args;    // in most program types; helper_args() knows the others
  ProgTypeSet program_types;  // who may call it
  bool gpl_only;
  bool changes_packet;   // packet pointers are invalid afterwards
  bool takes_packet;     // its memory arguments may lie in the packet
  MapTypeSet map_types;  // what its const_map argument may be; empty without one
};

[[nodiscard]] std::span<const HelperRow> helpers();
[[nodiscard]] const HelperRow* find_helper(std::uint32_t id);
[[nodiscard]] const HelperRow* find_helper(std::string_view name);
// Whether a program that may call it may do so at an attach type (a program's expected_attach_type).
[[nodiscard]] bool helper_allowed_at(const HelperRow& helper, ProgType caller, std::uint32_t attach_type);
[[nodiscard]] std::array<Arg, 5> helper_args(const HelperRow& helper, ProgType caller);

// ---- maps ----------------------------------------------------------------------------------------------------

enum class MapType : std::uint32_t {
#define FORAGER_MAP(id, name, ...) name = id,
#include "isa/maps.def"
};

struct MapRow {
  MapType type;
  std::string_view name;     // "hash", bpftool's spelling
  bool per_cpu;              // one value slot per possible CPU
  bool lookup_from_program;  // bpf_map_lookup_elem allowed, as helpers.def says
  bool update_from_program;
  bool delete_from_program;
  std::uint32_t needed_flags;  // BPF_F_* creation flags without which it is refused
  std::uint32_t flags;         // ... and all that are accepted, the needed ones included
  std::string_view status;     // "runs", or why it does not yet / has no meaning here
};

[[nodiscard]] std::span<const MapRow> maps();
[[nodiscard]] const MapRow* find_map(std::uint32_t type);
[[nodiscard]] const MapRow* find_map(std::string_view name);

}  // namespace forager::isa

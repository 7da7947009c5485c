// SPDX-License-Identifier: Apache-2.0
#include "syscall/trace.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include "exec/map.h"
#include "isa/tables.h"
#include "syscall/attributes.h"

namespace forager::syscall {
namespace {

// How a field is shown.
enum class Show : std::uint8_t { number, hex, fd, pointer, text, map_type, prog_type, attach_type };

struct Field {
  std::string_view name;
  std::size_t offset;
  std::size_t bytes;
  Show show;
};

#define FORAGER_FIELD(name, show) \
  Field { #name, offsetof(bpf_attr, name), sizeof(bpf_attr::name), Show::show }
#define FORAGER_PART(type, name, show) \
  Field { #name, offsetof(type, name), sizeof(type::name), Show::show }
// A field of a named part of bpf_attr.
#define FORAGER_IN(part, name, show) \
  Field { #name, offsetof(bpf_attr, part.name), sizeof(decltype(bpf_attr::part)::name), Show::show }

constexpr Field kMapCreate[] = {FORAGER_FIELD(map_type, map_type),      FORAGER_FIELD(key_size, number),
                                FORAGER_FIELD(value_size, number),      FORAGER_FIELD(max_entries, number),
                                FORAGER_FIELD(map_flags, hex),          FORAGER_FIELD(inner_map_fd, fd),
                                FORAGER_FIELD(numa_node, number),       FORAGER_FIELD(map_name, text),
                                FORAGER_FIELD(map_ifindex, number),     FORAGER_FIELD(btf_fd, fd),
                                FORAGER_FIELD(btf_key_type_id, number), FORAGER_FIELD(btf_value_type_id, number),
                                FORAGER_FIELD(map_extra, hex)};
constexpr Field kElement[] = {FORAGER_FIELD(map_fd, fd), FORAGER_FIELD(key, pointer), FORAGER_FIELD(value, pointer),
                              FORAGER_FIELD(flags, hex)};
constexpr Field kBatch[] = {FORAGER_IN(batch, in_batch, pointer), FORAGER_IN(batch, out_batch, pointer),
                            FORAGER_IN(batch, keys, pointer),     FORAGER_IN(batch, values, pointer),
                            FORAGER_IN(batch, count, number),     FORAGER_IN(batch, map_fd, fd),
                            FORAGER_IN(batch, elem_flags, hex),   FORAGER_IN(batch, flags, hex)};
constexpr Field kFreeze[] = {FORAGER_FIELD(map_fd, fd)};
constexpr Field kProgLoad[] = {FORAGER_FIELD(prog_type, prog_type),
                               FORAGER_FIELD(insn_cnt, number),
                               FORAGER_FIELD(insns, pointer),
                               FORAGER_FIELD(license, pointer),
                               FORAGER_FIELD(log_level, number),
                               FORAGER_FIELD(log_size, number),
                               FORAGER_FIELD(log_buf, pointer),
                               FORAGER_FIELD(prog_flags, hex),
                               FORAGER_FIELD(prog_name, text),
                               FORAGER_FIELD(prog_ifindex, number),
                               FORAGER_FIELD(expected_attach_type, attach_type),
                               FORAGER_FIELD(prog_btf_fd, fd),
                               FORAGER_FIELD(func_info_cnt, number),
                               FORAGER_FIELD(line_info_cnt, number),
                               FORAGER_FIELD(attach_btf_id, number),
                               FORAGER_FIELD(fd_array, pointer)};
constexpr Field kPath[] = {FORAGER_PART(PathAttributes, path, pointer), FORAGER_PART(PathAttributes, fd, fd),
                           FORAGER_PART(PathAttributes, flags, hex), FORAGER_PART(PathAttributes, directory, fd)};
constexpr Field kAttach[] = {
    FORAGER_PART(AttachAttributes, target, number),           FORAGER_PART(AttachAttributes, prog_fd, fd),
    FORAGER_PART(AttachAttributes, attach_type, attach_type), FORAGER_PART(AttachAttributes, flags, hex),
    FORAGER_PART(AttachAttributes, replace_fd, fd),           FORAGER_PART(AttachAttributes, relative, number),
    FORAGER_PART(AttachAttributes, expected_revision, number)};
constexpr Field kQuery[] = {
    FORAGER_PART(QueryAttributes, target, number), FORAGER_PART(QueryAttributes, attach_type, attach_type),
    FORAGER_PART(QueryAttributes, query_flags, hex), FORAGER_PART(QueryAttributes, prog_ids, pointer),
    FORAGER_PART(QueryAttributes, count, number)};
constexpr Field kTestRun[] = {FORAGER_IN(test, prog_fd, fd),
                              FORAGER_IN(test, data_size_in, number),
                              FORAGER_IN(test, data_size_out, number),
                              FORAGER_IN(test, data_in, pointer),
                              FORAGER_IN(test, data_out, pointer),
                              FORAGER_IN(test, repeat, number),
                              FORAGER_IN(test, ctx_size_in, number),
                              FORAGER_IN(test, ctx_size_out, number),
                              FORAGER_IN(test, ctx_in, pointer),
                              FORAGER_IN(test, ctx_out, pointer),
                              FORAGER_IN(test, flags, hex),
                              FORAGER_IN(test, cpu, number),
                              FORAGER_IN(test, batch_size, number)};
constexpr Field kId[] = {FORAGER_FIELD(start_id, number), FORAGER_FIELD(open_flags, hex)};
constexpr Field kInfo[] = {FORAGER_IN(info, bpf_fd, fd), FORAGER_IN(info, info_len, number),
                           FORAGER_IN(info, info, pointer)};
constexpr Field kRawTracepoint[] = {FORAGER_PART(RawTracepointAttributes, name, pointer),
                                    FORAGER_PART(RawTracepointAttributes, prog_fd, fd),
                                    FORAGER_PART(RawTracepointAttributes, cookie, hex)};
constexpr Field kBtfLoad[] = {FORAGER_FIELD(btf, pointer), FORAGER_FIELD(btf_log_buf, pointer),
                              FORAGER_FIELD(btf_size, number), FORAGER_FIELD(btf_log_size, number),
                              FORAGER_FIELD(btf_log_level, number)};
constexpr Field kTaskFdQuery[] = {FORAGER_IN(task_fd_query, pid, number), FORAGER_IN(task_fd_query, fd, fd),
                                  FORAGER_IN(task_fd_query, flags, hex), FORAGER_IN(task_fd_query, buf_len, number),
                                  FORAGER_IN(task_fd_query, buf, pointer)};
constexpr Field kLinkCreate[] = {
    FORAGER_PART(LinkAttributes, prog_fd, fd), FORAGER_PART(LinkAttributes, target, number),
    FORAGER_PART(LinkAttributes, attach_type, attach_type), FORAGER_PART(LinkAttributes, flags, hex)};
constexpr Field kLinkUpdate[] = {FORAGER_IN(link_update, link_fd, fd), FORAGER_IN(link_update, new_prog_fd, fd),
                                 FORAGER_IN(link_update, flags, hex), FORAGER_IN(link_update, old_prog_fd, fd)};
constexpr Field kLinkDetach[] = {FORAGER_IN(link_detach, link_fd, fd)};
constexpr Field kEnableStats[] = {FORAGER_IN(enable_stats, type, number)};
constexpr Field kIterCreate[] = {FORAGER_IN(iter_create, link_fd, fd), FORAGER_IN(iter_create, flags, hex)};
constexpr Field kBindMap[] = {FORAGER_IN(prog_bind_map, prog_fd, fd), FORAGER_IN(prog_bind_map, map_fd, fd),
                              FORAGER_IN(prog_bind_map, flags, hex)};

#undef FORAGER_FIELD
#undef FORAGER_PART
#undef FORAGER_IN

struct Command {
  std::string_view name;
  std::span<const Field> fields;
};

// By number: enum bpf_cmd of Linux 6.18. Commands that 6.1 does not know are named, and their fields are not shown.
constexpr Command kCommands[] = {
    {"BPF_MAP_CREATE", kMapCreate},
    {"BPF_MAP_LOOKUP_ELEM", kElement},
    {"BPF_MAP_UPDATE_ELEM", kElement},
    {"BPF_MAP_DELETE_ELEM", kElement},
    {"BPF_MAP_GET_NEXT_KEY", kElement},
    {"BPF_PROG_LOAD", kProgLoad},
    {"BPF_OBJ_PIN", kPath},
    {"BPF_OBJ_GET", kPath},
    {"BPF_PROG_ATTACH", kAttach},
    {"BPF_PROG_DETACH", kAttach},
    {"BPF_PROG_TEST_RUN", kTestRun},
    {"BPF_PROG_GET_NEXT_ID", kId},
    {"BPF_MAP_GET_NEXT_ID", kId},
    {"BPF_PROG_GET_FD_BY_ID", kId},
    {"BPF_MAP_GET_FD_BY_ID", kId},
    {"BPF_OBJ_GET_INFO_BY_FD", kInfo},
    {"BPF_PROG_QUERY", kQuery},
    {"BPF_RAW_TRACEPOINT_OPEN", kRawTracepoint},
    {"BPF_BTF_LOAD", kBtfLoad},
    {"BPF_BTF_GET_FD_BY_ID", kId},
    {"BPF_TASK_FD_QUERY", kTaskFdQuery},
    {"BPF_MAP_LOOKUP_AND_DELETE_ELEM", kElement},
    {"BPF_MAP_FREEZE", kFreeze},
    {"BPF_BTF_GET_NEXT_ID", kId},
    {"BPF_MAP_LOOKUP_BATCH", kBatch},
    {"BPF_MAP_LOOKUP_AND_DELETE_BATCH", kBatch},
    {"BPF_MAP_UPDATE_BATCH", kBatch},
    {"BPF_MAP_DELETE_BATCH", kBatch},
    {"BPF_LINK_CREATE", kLinkCreate},
    {"BPF_LINK_UPDATE", kLinkUpdate},
    {"BPF_LINK_GET_FD_BY_ID", kId},
    {"BPF_LINK_GET_NEXT_ID", kId},
    {"BPF_ENABLE_STATS", kEnableStats},
    {"BPF_ITER_CREATE", kIterCreate},
    {"BPF_LINK_DETACH", kLinkDetach},
    {"BPF_PROG_BIND_MAP", kBindMap},
    {"BPF_TOKEN_CREATE", {}},
    {"BPF_PROG_STREAM_READ_BY_FD", {}},
};

// ---- values
// ----------------------------------------------------------------------------------------------------------

std::uint64_t number_of(const bpf_attr& attr, const Field& field) {
  std::uint64_t value = 0;  // all hosts are little-endian: static_assert in host/isa
  std::memcpy(&value, reinterpret_cast<const std::byte*>(&attr) + field.offset, std::min(field.bytes, sizeof value));
  return value;
}

std::string quoted(const bpf_attr& attr, const Field& field) {
  const auto* text = reinterpret_cast<const char*>(&attr) + field.offset;
  std::string shown = "\"";
  for (const char c : std::string_view(text, strnlen(text, field.bytes))) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
    shown += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return shown + "\"";
}

template <class Row>
std::string named(const Row* row, std::uint64_t value) {
  return row != nullptr ? std::string(row->name) : fmt::format("{}", value);
}

std::string value_of(const bpf_attr& attr, const Field& field) {
  const std::uint64_t value = number_of(attr, field);
  const auto id = static_cast<std::uint32_t>(value);
  switch (field.show) {
    case Show::number:
      return fmt::format("{}", value);
    case Show::fd:
      return fmt::format("{}", static_cast<std::int32_t>(id));
    case Show::hex:
    case Show::pointer:
      return fmt::format("{:#x}", value);
    case Show::text:
      return quoted(attr, field);
    case Show::map_type:
      return named(isa::find_map(id), value);
    case Show::prog_type:
      return named(isa::find_prog_type(id), value);
    case Show::attach_type:
      return named(isa::find_attach(id), value);
  }
  return {};
}

std::string result_of(long result) {
  if (result >= 0) return fmt::format("{}", result);
  const int error = static_cast<int>(-result);
  if (error == exec::kNotSupported) return "-1 ENOTSUPP (operation is not supported)";
  const char* name = strerrorname_np(error);
  return fmt::format("-1 {} ({})", name != nullptr ? name : "?",
                     strerrordesc_np(error) != nullptr ? strerrordesc_np(error) : "?");
}

}  // namespace

std::string command_name(int command) {
  const bool known = command >= 0 && static_cast<std::size_t>(command) < std::size(kCommands);
  return known ? std::string(kCommands[command].name) : fmt::format("{}", command);
}

std::string trace_line(const FinishedCall& call) {
  const bool known = call.command >= 0 && static_cast<std::size_t>(call.command) < std::size(kCommands);
  std::string fields;
  for (const Field& field : known ? kCommands[call.command].fields : std::span<const Field>()) {
    if (field.show == Show::text ? number_of(call.attr, field) % 256 == 0 : number_of(call.attr, field) == 0) continue;
    fields += fmt::format("{}{}={}", fields.empty() ? "" : ", ", field.name, value_of(call.attr, field));
  }
  return fmt::format("bpf({}, {{{}}}, {}) = {} <{}.{:06}>", command_name(call.command), fields, call.size,
                     result_of(call.result), call.nanoseconds / 1'000'000'000, call.nanoseconds / 1000 % 1'000'000);
}

}  // namespace forager::syscall

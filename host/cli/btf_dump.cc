// SPDX-License-Identifier: Apache-2.0
#include "cli/btf_dump.h"

#include <bpf/btf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 20> kKinds = {
    "UNKNOWN", "INT",      "PTR",  "ARRAY",      "STRUCT", "UNION",   "ENUM",  "FWD",      "TYPEDEF",  "VOLATILE",
    "CONST",   "RESTRICT", "FUNC", "FUNC_PROTO", "VAR",    "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64"};

std::string name_at(const btf* types, std::uint32_t offset) {
  const char* name = ::btf__name_by_offset(types, offset);
  return name != nullptr && *name != '\0' ? name : "(anon)";
}

const char* linkage_of(std::uint32_t linkage) {
  constexpr std::array<const char*, 3> kLinkages = {"static", "global", "extern"};
  return linkage < kLinkages.size() ? kLinkages[linkage] : "(unknown)";
}

const char* encoding_of(const btf_type* type) {
  switch (btf_int_encoding(type)) {
    case BTF_INT_SIGNED:
      return "SIGNED";
    case BTF_INT_CHAR:
      return "CHAR";
    case BTF_INT_BOOL:
      return "BOOL";
    case 0:
      return "(none)";
    default:
      return "UNKN";
  }
}

Json members(const btf* types, const btf_type* type) {
  Json out = Json::array();
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const btf_member& member = btf_members(type)[i];
    Json row = {{"name", name_at(types, member.name_off)},
                {"type_id", member.type},
                {"bits_offset", btf_member_bit_offset(type, i)}};
    if (const std::uint32_t bits = btf_member_bitfield_size(type, i); bits != 0) row["bitfield_size"] = bits;
    out.push_back(std::move(row));
  }
  return out;
}

Json enumerators(const btf* types, const btf_type* type) {
  const bool is_signed = btf_kflag(type);
  Json out = Json::array();
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const auto& one = btf_enum(type)[i];
    const Json value = is_signed ? Json(one.val) : Json(static_cast<std::uint32_t>(one.val));
    out.push_back({{"name", name_at(types, one.name_off)}, {"val", value}});
  }
  return out;
}

Json wide_enumerators(const btf* types, const btf_type* type) {
  const bool is_signed = btf_kflag(type);
  Json out = Json::array();
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const auto* one = &btf_enum64(type)[i];
    const std::uint64_t value = btf_enum64_value(one);
    out.push_back({{"name", name_at(types, one->name_off)},
                   {"val", is_signed ? Json(static_cast<std::int64_t>(value)) : Json(value)}});
  }
  return out;
}

Json parameters(const btf* types, const btf_type* type) {
  Json out = Json::array();
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const btf_param& one = btf_params(type)[i];
    out.push_back({{"name", name_at(types, one.name_off)}, {"type_id", one.type}});
  }
  return out;
}

Json variables(const btf_type* type) {
  Json out = Json::array();
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const btf_var_secinfo& one = btf_var_secinfos(type)[i];
    out.push_back({{"type_id", one.type}, {"offset", one.offset}, {"size", one.size}});
  }
  return out;
}

void add_int(Json& row, const btf* /*types*/, const btf_type* type) {
  row["size"] = type->size;
  row["bits_offset"] = btf_int_offset(type);
  row["nr_bits"] = btf_int_bits(type);
  row["encoding"] = encoding_of(type);
}
void add_array(Json& row, const btf* /*types*/, const btf_type* type) {
  row["type_id"] = btf_array(type)->type;
  row["index_type_id"] = btf_array(type)->index_type;
  row["nr_elems"] = btf_array(type)->nelems;
}
void add_composite(Json& row, const btf* types, const btf_type* type) {
  row["size"] = type->size;
  row["vlen"] = btf_vlen(type);
  row["members"] = members(types, type);
}
void add_enum(Json& row, const btf* types, const btf_type* type) {
  row["encoding"] = btf_kflag(type) ? "SIGNED" : "UNSIGNED";
  row["size"] = type->size;
  row["vlen"] = btf_vlen(type);
  row["values"] = btf_is_enum64(type) ? wide_enumerators(types, type) : enumerators(types, type);
}
void add_forward(Json& row, const btf* /*types*/, const btf_type* type) {
  row["fwd_kind"] = btf_kflag(type) ? "union" : "struct";
}
void add_function(Json& row, const btf* /*types*/, const btf_type* type) {
  row["type_id"] = type->type;
  row["linkage"] = linkage_of(btf_vlen(type));
}
void add_prototype(Json& row, const btf* types, const btf_type* type) {
  row["ret_type_id"] = type->type;
  row["vlen"] = btf_vlen(type);
  row["params"] = parameters(types, type);
}
void add_variable(Json& row, const btf* /*types*/, const btf_type* type) {
  row["type_id"] = type->type;
  row["linkage"] = linkage_of(btf_var(type)->linkage);
}
void add_section(Json& row, const btf* /*types*/, const btf_type* type) {
  row["size"] = type->size;
  row["vlen"] = btf_vlen(type);
  row["vars"] = variables(type);
}
void add_size(Json& row, const btf* /*types*/, const btf_type* type) { row["size"] = type->size; }
void add_tag(Json& row, const btf* /*types*/, const btf_type* type) {
  row["type_id"] = type->type;
  row["component_idx"] = btf_decl_tag(type)->component_idx;
}
void add_target(Json& row, const btf* /*types*/, const btf_type* type) { row["type_id"] = type->type; }

using Add = void (*)(Json&, const btf*, const btf_type*);
// By kind.
constexpr std::array<Add, kKinds.size()> kAdders = {
    nullptr,      add_int,     add_target, add_array,  add_composite, add_composite, add_enum,
    add_forward,  add_target,  add_target, add_target, add_target,    add_function,  add_prototype,
    add_variable, add_section, add_size,   add_tag,    add_target,    add_enum};

Json row_of(const btf* types, std::uint32_t id) {
  const btf_type* type = ::btf__type_by_id(types, id);
  const std::size_t kind = type != nullptr ? btf_kind(type) : 0;
  Json row = {{"id", id}, {"kind", kind < kKinds.size() ? kKinds[kind] : kKinds[0]}};
  row["name"] = type != nullptr ? name_at(types, type->name_off) : "(anon)";
  if (kind < kAdders.size() && kAdders[kind] != nullptr) kAdders[kind](row, types, type);
  return row;
}

// ---- lines ---------------------------------------------------------------------------------------------------------

std::string value_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// "'name' type_id=3 bits_offset=0"; enumerators "'A' val=1"; section entries "type_id=3 offset=0 size=4".
std::string detail_line(const Json& detail) {
  std::string out = "\t";
  bool first = true;
  for (const auto& [key, value] : detail.items()) {
    if (!first) out += ' ';
    first = false;
    out += key == "name" ? fmt::format("'{}'", value_text(value)) : fmt::format("{}={}", key, value_text(value));
  }
  return out + "\n";
}

std::string row_line(const Json& row) {
  std::string out = fmt::format("[{}] {} '{}'", row["id"].get<std::uint32_t>(), row["kind"].get<std::string>(),
                                row["name"].get<std::string>());
  std::string details;
  for (const auto& [key, value] : row.items()) {
    if (key == "id" || key == "kind" || key == "name") continue;
    if (value.is_array()) {
      for (const Json& detail : value) details += detail_line(detail);
    } else {
      const bool after_comma = key == "linkage" && row["kind"] == "VAR";
      out += fmt::format("{} {}={}", after_comma ? "," : "", key, value_text(value));
    }
  }
  return out + "\n" + details;
}

// ---- C -------------------------------------------------------------------------------------------------------------

struct FreeDump {
  void operator()(btf_dump* dump) const { ::btf_dump__free(dump); }
};

void append(void* text, const char* format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (size <= 0) return;
  std::string piece(static_cast<std::size_t>(size) + 1, '\0');
  std::vsnprintf(piece.data(), piece.size(), format, arguments);
  piece.pop_back();
  *static_cast<std::string*>(text) += piece;
}

std::vector<std::uint32_t> all_of(const btf* types) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t id = 1; id < ::btf__type_cnt(types); ++id) out.push_back(id);
  return out;
}

}  // namespace

Json btf_rows(const btf* types, const std::vector<std::uint32_t>& roots) {
  Json out = Json::array();
  for (const std::uint32_t id : roots.empty() ? all_of(types) : roots) out.push_back(row_of(types, id));
  return out;
}

std::string btf_lines(const Json& rows) {
  std::string out;
  for (const Json& row : rows) out += row_line(row);
  return out;
}

Result<std::string> btf_as_c(const btf* types, const std::vector<std::uint32_t>& roots) {
  std::string out =
      "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n"
      "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
      "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n#endif\n\n";
  const std::unique_ptr<btf_dump, FreeDump> dump(::btf_dump__new(types, append, &out, nullptr));
  if (!dump) return fail(ErrorKind::input, errno, fmt::format("no C from this BTF: {}", std::strerror(errno)));
  for (const std::uint32_t id : roots.empty() ? all_of(types) : roots) {
    if (const int status = ::btf_dump__dump_type(dump.get(), id); status != 0)
      return fail(ErrorKind::input, -status, fmt::format("type {}: no C: {}", id, std::strerror(-status)));
  }
  return out +
         "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n"
         "#endif /* __VMLINUX_H__ */\n";
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/prototype.h"

#include <bpf/btf.h>

namespace forager::cli {
namespace {

constexpr int kDepth = 16;  // more nesting than any prototype has: BTF may be a circle

std::string name_at(const btf* types, std::uint32_t offset) {
  const char* name = ::btf__name_by_offset(types, offset);
  return name != nullptr ? name : "";
}

const char* keyword_of(const btf_type* type) {
  switch (btf_kind(type)) {
    case BTF_KIND_STRUCT:
      return "struct ";
    case BTF_KIND_UNION:
      return "union ";
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return "enum ";
    case BTF_KIND_FWD:
      return btf_kflag(type) ? "union " : "struct ";
    default:
      return "";
  }
}

// Ends in a blank, so that a name can follow.
std::string type_text(const btf* types, std::uint32_t id, int depth) {
  if (id == 0) return "void ";
  const btf_type* type = ::btf__type_by_id(types, id);
  if (type == nullptr || depth > kDepth) return "? ";
  switch (btf_kind(type)) {
    case BTF_KIND_PTR:
      return type_text(types, type->type, depth + 1) + "* ";
    case BTF_KIND_CONST:
      return "const " + type_text(types, type->type, depth + 1);
    case BTF_KIND_VOLATILE:
      return "volatile " + type_text(types, type->type, depth + 1);
    case BTF_KIND_RESTRICT:
      return "restrict " + type_text(types, type->type, depth + 1);
    case BTF_KIND_TYPE_TAG:
      return type_text(types, type->type, depth + 1);
    case BTF_KIND_ARRAY:
      return type_text(types, btf_array(type)->type, depth + 1) + "[" + std::to_string(btf_array(type)->nelems) + "]";
    case BTF_KIND_FUNC_PROTO:
      return type_text(types, type->type, depth + 1) + "(*)() ";
    default:
      return keyword_of(type) + name_at(types, type->name_off) + " ";
  }
}

}  // namespace

std::string prototype_of(const btf* types, std::uint32_t function) {
  const btf_type* type = types != nullptr ? ::btf__type_by_id(types, function) : nullptr;
  if (type == nullptr || !btf_is_func(type)) return {};
  const btf_type* shape = ::btf__type_by_id(types, type->type);
  if (shape == nullptr || !btf_is_func_proto(shape)) return {};
  std::string parameters;
  for (unsigned i = 0; i < btf_vlen(shape); ++i) {
    const btf_param& parameter = btf_params(shape)[i];
    if (i != 0) parameters += ", ";
    parameters +=
        parameter.type == 0 ? "..." : type_text(types, parameter.type, 0) + name_at(types, parameter.name_off);
  }
  return type_text(types, shape->type, 0) + name_at(types, type->name_off) + "(" + parameters + ")";
}

}  // namespace forager::cli

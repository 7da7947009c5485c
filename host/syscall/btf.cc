// SPDX-License-Identifier: Apache-2.0
#include "syscall/btf.h"

#include <fmt/format.h>

#include <cerrno>

#include "syscall/messages.h"

namespace forager::syscall {
namespace {

// ---- what libbpf does not check ----------------------------------------------------------------------------------

class ReferenceCheck {
 public:
  explicit ReferenceCheck(const ::btf& types) : types_(types), count_(btf__type_cnt(&types)) {}

  // Every id and name that the type mentions exists.
  [[nodiscard]] bool good(const btf_type& type) const {
    return name(type.name_off) && (!mentions_type(type) || id(type.type)) && good_parts(type);
  }

 private:
  [[nodiscard]] bool name(std::uint32_t offset) const { return btf__str_by_offset(&types_, offset) != nullptr; }
  [[nodiscard]] bool id(std::uint32_t type) const { return type < count_; }

  // Kinds whose size field is a type instead.
  static bool mentions_type(const btf_type& type) {
    switch (btf_kind(&type)) {
      case BTF_KIND_PTR:
      case BTF_KIND_TYPEDEF:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_CONST:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_FUNC:
      case BTF_KIND_FUNC_PROTO:
      case BTF_KIND_VAR:
      case BTF_KIND_DECL_TAG:
      case BTF_KIND_TYPE_TAG:
        return true;
      default:
        return false;
    }
  }

  template <class Part, class Check>
  static bool each(const Part* parts, const btf_type& type, Check check) {
    for (unsigned i = 0; i < btf_vlen(&type); ++i) {
      if (!check(parts[i])) return false;
    }
    return true;
  }

  [[nodiscard]] bool good_parts(const btf_type& type) const {
    switch (btf_kind(&type)) {
      case BTF_KIND_ARRAY:
        return id(btf_array(&type)->type) && id(btf_array(&type)->index_type);
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        return each(btf_members(&type), type, [&](const auto& part) { return name(part.name_off) && id(part.type); });
      case BTF_KIND_ENUM:
        return each(btf_enum(&type), type, [&](const auto& part) { return name(part.name_off); });
      case BTF_KIND_ENUM64:
        return each(btf_enum64(&type), type, [&](const auto& part) { return name(part.name_off); });
      case BTF_KIND_FUNC_PROTO:
        return each(btf_params(&type), type, [&](const auto& part) { return name(part.name_off) && id(part.type); });
      case BTF_KIND_DATASEC:
        return each(btf_var_secinfos(&type), type, [&](const auto& part) { return id(part.type); });
      default:
        return true;
    }
  }

  const ::btf& types_;
  std::uint32_t count_;
};

}  // namespace

Errno<std::shared_ptr<const ::btf>> parse_btf(std::span<const std::byte> bytes, std::string& log) {
  const MessageCapture said(LIBBPF_DEBUG);
  std::shared_ptr<::btf> types(btf__new(bytes.data(), static_cast<__u32>(bytes.size())), btf__free);
  log += said.text();
  if (!types) return std::unexpected(-EINVAL);
  const ReferenceCheck check(*types);
  for (std::uint32_t id = 1; id < btf__type_cnt(types.get()); ++id) {
    if (check.good(*btf__type_by_id(types.get(), id))) continue;
    log += fmt::format("[{}] refers to a type or a name that does not exist\n", id);
    return std::unexpected(-EINVAL);
  }
  return types;
}

const btf_type* skip_modifiers(const ::btf& types, std::uint32_t id) {
  const btf_type* type = btf__type_by_id(&types, id);
  for (int depth = 0; btf_is_mod(type) || btf_is_typedef(type); ++depth) {
    type = btf__type_by_id(&types, depth < kMaxModifiers ? type->type : 0);
  }
  return type;
}

std::optional<std::uint32_t> size_of_type(const ::btf& types, std::uint32_t id) {
  const std::int64_t size = btf__resolve_size(&types, id);
  if (size < 0) return std::nullopt;
  return static_cast<std::uint32_t>(size);
}

}  // namespace forager::syscall

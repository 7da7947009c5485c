// SPDX-License-Identifier: Apache-2.0
#include "syscall/signature.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "syscall/btf.h"

namespace forager::syscall {
namespace {

using program::FunctionInfo;
using program::Parameter;

// What declaration tags "arg:..." say of one parameter.
struct Tags {
  bool context = false, nonnull = false, other = false;
  [[nodiscard]] bool any() const { return context || nonnull || other; }
};

class Signature {
 public:
  Signature(const ::btf& types, isa::ProgType type, std::uint32_t function)
      : types_(types), type_(type), function_(function), record_(at(function)) {}

  void read(FunctionInfo& info) const {
    info.linkage = linkage();
    const btf_type* prototype = at(record_->type);
    if (!btf_is_func_proto(prototype)) {
      info.returns = FunctionInfo::Returns::other;
      return;
    }
    info.returns = returns(prototype->type);
    const bool global = info.linkage == FunctionInfo::Linkage::global;
    const auto tags = global ? tags_of(btf_vlen(prototype)) : std::vector<Tags>(btf_vlen(prototype));
    for (unsigned i = 0; i < btf_vlen(prototype); ++i) {
      info.parameters.push_back(parameter(btf_params(prototype)[i], tags[i], global));
    }
  }

 private:
  [[nodiscard]] const btf_type* at(std::uint32_t id) const { return btf__type_by_id(&types_, id); }
  [[nodiscard]] std::string_view name_of(const btf_type* type) const {
    return btf__str_by_offset(&types_, type->name_off);
  }
  [[nodiscard]] static bool scalar(const btf_type* type) { return btf_is_int(type) || btf_is_any_enum(type); }

  [[nodiscard]] FunctionInfo::Linkage linkage() const {
    switch (btf_vlen(record_)) {
      case BTF_FUNC_STATIC:
        return FunctionInfo::Linkage::local;
      case BTF_FUNC_GLOBAL:
        return FunctionInfo::Linkage::global;
      default:
        return FunctionInfo::Linkage::external;
    }
  }

  [[nodiscard]] FunctionInfo::Returns returns(std::uint32_t id) const {
    const btf_type* type = skip_modifiers(types_, id);
    if (scalar(type)) return FunctionInfo::Returns::scalar;
    return btf_is_void(type) ? FunctionInfo::Returns::nothing : FunctionInfo::Returns::other;
  }

  [[nodiscard]] std::vector<Tags> tags_of(unsigned parameters) const {
    std::vector<Tags> tags(parameters);
    for (std::uint32_t id = 1; id < btf__type_cnt(&types_); ++id) {
      const btf_type* type = at(id);
      if (!btf_is_decl_tag(type) || type->type != function_) continue;
      const auto index = static_cast<std::uint32_t>(btf_decl_tag(type)->component_idx);
      const std::string_view text = name_of(type);
      if (index < parameters && text.starts_with("arg:")) add(tags[index], text.substr(4));
    }
    return tags;
  }

  static void add(Tags& tags, std::string_view text) {
    (text == "ctx" ? tags.context : text == "nonnull" ? tags.nonnull : tags.other) = true;
  }

  [[nodiscard]] Parameter parameter(const btf_param& param, const Tags& tags, bool global) const {
    Parameter out{.kind = Parameter::Kind::other, .name = btf__str_by_offset(&types_, param.name_off)};
    const btf_type* type = skip_modifiers(types_, param.type);
    if (btf_is_ptr(type)) {
      if (global) read_pointer(type->type, tags, out);
    } else if (scalar(type) && !tags.any()) {
      out.kind = Parameter::Kind::scalar;
    }
    return out;
  }

  void read_pointer(std::uint32_t pointee, const Tags& tags, Parameter& out) const {
    if (tags.context || is_context(pointee)) {
      if (!tags.nonnull && !tags.other) out.kind = Parameter::Kind::context;
      return;
    }
    const auto size = size_of_type(types_, pointee);
    if (!size || tags.other || is_dynptr(pointee)) return;
    out.kind = Parameter::Kind::memory;
    out.size = *size;
    out.nullable = !tags.nonnull;
  }

  // Linux's names of its own structures, which BTF of a kernel may bring along, stand for those of the uapi.
  [[nodiscard]] bool is_context(std::uint32_t pointee) const {
    if (type_ == isa::ProgType::kprobe && is_registers(pointee)) return true;
    const btf_type* type = skip_modifiers(types_, pointee);
    const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type_));
    if (!btf_is_composite(type) || row == nullptr || row->context == nullptr) return false;
    const std::string_view name = name_of(type), wanted = row->context->name;
    if (type_ == isa::ProgType::raw_tracepoint_writable && name == "bpf_raw_tracepoint_args") return true;
    return name == wanted || (wanted == "__sk_buff" && name == "sk_buff") || (wanted == "xdp_md" && name == "xdp_buff");
  }

  // The typedef that the uapi has for them, or the structure of some machine under it.
  [[nodiscard]] bool is_registers(std::uint32_t pointee) const {
    const btf_type* type = at(pointee);
    for (int depth = 0; btf_is_mod(type) && depth < kMaxModifiers; ++depth) type = at(type->type);
    if (btf_is_typedef(type) && name_of(type) == "bpf_user_pt_regs_t") return true;
    type = skip_modifiers(types_, pointee);
    return btf_is_composite(type) && name_of(type) == "user_pt_regs";
  }

  [[nodiscard]] bool is_dynptr(std::uint32_t pointee) const {
    const btf_type* type = skip_modifiers(types_, pointee);
    return btf_is_struct(type) && (name_of(type) == "bpf_dynptr" || name_of(type) == "bpf_dynptr_kern");
  }

  const ::btf& types_;
  const isa::ProgType type_;
  const std::uint32_t function_;
  const btf_type* record_;
};

}  // namespace

void read_signature(const ::btf& types, isa::ProgType type, program::FunctionInfo& info) {
  Signature(types, type, info.btf_type).read(info);
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "syscall/kernel_types.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "syscall/btf.h"
#include "syscall/messages.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kBits = 8;
constexpr std::uint32_t kMostOffset = 1U << 16;  // bytes; no structure of interest is as large

std::optional<isa::KernelMember> find_member(const ::btf& types, const btf_type& structure,
                                             const isa::KernelMemberName& wanted) {
  const btf_member* members = btf_members(&structure);
  for (std::uint32_t i = 0; i < btf_vlen(&structure); ++i) {
    const char* name = btf__name_by_offset(&types, members[i].name_off);
    if (name == nullptr || wanted.name != name) continue;
    const std::uint32_t bit = btf_member_bit_offset(&structure, i);
    const auto size = size_of_type(types, members[i].type);
    const bool plain = btf_member_bitfield_size(&structure, i) == 0 && bit % kBits == 0 && bit / kBits < kMostOffset;
    if (!plain || !size || *size > kMostOffset) return std::nullopt;
    return isa::KernelMember{.of = wanted.of, .name = wanted.name, .offset = bit / kBits, .size = *size};
  }
  return std::nullopt;
}

}  // namespace

std::shared_ptr<const ::btf> kernel_types() {
  const MessageCapture quiet(LIBBPF_WARN);
  return {btf__load_vmlinux_btf(), btf__free};
}

Errno<std::string> function_name(const ::btf& types, std::uint32_t id, std::string& log) {
  const btf_type* type = btf__type_by_id(&types, id);
  const char* name = type == nullptr ? nullptr : btf__name_by_offset(&types, type->name_off);
  if (type != nullptr && btf_is_func(type) && name != nullptr) return std::string(name);
  log += fmt::format("attach_btf_id {} is not a function\n", id);
  return std::unexpected(-EINVAL);
}

std::vector<isa::KernelMember> kernel_members(const ::btf& types) {
  std::vector<isa::KernelMember> found;
  for (const isa::KernelMemberName& wanted : isa::kernel_member_names()) {
    const std::string structure(wanted.structure);
    const int id = btf__find_by_name_kind(&types, structure.c_str(), BTF_KIND_STRUCT);
    if (id < 0) continue;
    const btf_type* type = btf__type_by_id(&types, static_cast<std::uint32_t>(id));
    if (const auto member = find_member(types, *type, wanted)) found.push_back(*member);
  }
  return found;
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// What iterators are shown: structures of the kernel, whose members are read one by one (Linux
// check_ptr_to_btf_access), and keys and values of a map that only the attachment names (Linux check_buffer_access).
#include <algorithm>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {
namespace {

using isa::KernelMember;
using isa::KernelStruct;

// A number may be read in part, a pointer whole.
const KernelMember* find_member(std::span<const KernelMember> members, KernelStruct of, s64 offset, u32 bytes) {
  const auto found = std::ranges::find_if(members, [&](const KernelMember& member) {
    if (member.of != of || offset < member.offset || offset + bytes > s64{member.offset} + member.size) return false;
    return member.to == KernelStruct::none || bytes == member.size;
  });
  return found == members.end() ? nullptr : &*found;
}

std::string names_of(std::span<const KernelMember> members, KernelStruct of) {
  std::string out;
  for (const KernelMember& member : members) {
    if (member.of == of) out += fmt::format("{}{}", out.empty() ? "" : ", ", member.name);
  }
  return out.empty() ? "none" : out;
}

}  // namespace

Reg Analysis::access_object(const Access& a, const Reg& base, bool sign) {
  const s64 offset = base.offset + a.offset;
  const std::string name = type_name(base);
  if (!program_.source().gpl_compatible) {
    refuse(EINVAL,
           fmt::format("Cannot access kernel structures from non-GPL compatible program: R{} is {}", a.reg, name),
           "declare a GPL-compatible licence: char _license[] SEC(\"license\") = \"GPL\"");
  }
  if (offset < 0) refuse(EACCES, fmt::format("R{} is {} invalid negative access: off={}", a.reg, name, offset));
  if (!base.scalar.is_constant() || base.scalar.value() != 0) {
    refuse(EACCES, fmt::format("R{} is {} invalid variable offset: off={}, it is {}", a.reg, name, offset,
                               describe(base.scalar)));
  }
  if (a.touch != Touch::read) {
    refuse(EACCES, fmt::format("only read is supported: R{} is {}, which programs may not change", a.reg, name));
  }
  const bool meta = base.object == KernelStruct::bpf_iter_meta;
  const std::span<const KernelMember> members = meta ? isa::meta_members() : program_.source().members;
  const KernelMember* member = find_member(members, base.object, offset, a.bytes);
  if (member == nullptr) {
    refuse(EACCES,
           fmt::format("R{} is {}: no member that programs may read here stands at off={} size={}", a.reg, name, offset,
                       a.bytes),
           fmt::format("those are: {}", names_of(members, base.object)));
  }
  if (member->to == KernelStruct::none) return scalar_reg(Scalar::loaded(a.bytes, sign));
  Reg out;
  out.type = RegType::object;
  out.object = member->to;
  return out;
}

// Whether the bytes are there is asked when the program is attached to a map. One iterator may be shown a map that the
// program uses itself as well.
void Analysis::access_buffer(const Access& a, const Reg& base) {
  const s64 first = base.offset + a.offset;
  const bool writes = a.touch != Touch::read;
  if (writes && base.read_only) refuse(EACCES, fmt::format("R{} cannot write into {}", a.reg, type_name(base)));
  if (first < 0) {
    refuse(EACCES, fmt::format("R{} invalid {} buffer access: off={}, size={}", a.reg,
                               base.read_only ? "rdonly" : "rdwr", first, a.bytes));
  }
  if (!base.scalar.is_constant() || base.scalar.value() != 0) {
    refuse(EACCES,
           fmt::format("R{} invalid variable buffer offset: off={}, it is {}", a.reg, first, describe(base.scalar)),
           "the size of the map's keys and values is not known here: use constants");
  }
  u32& reach = base.read_only ? buffers_.key : buffers_.value;
  reach = std::max(reach, static_cast<u32>(first + a.bytes));
  buffers_.writes |= writes;
  recorder_.any_map_touched(writes ? Recorder::MapTouch::write : Recorder::MapTouch::read);
}

}  // namespace forager::verifier

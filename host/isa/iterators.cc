// SPDX-License-Identifier: Apache-2.0
#include "isa/iterators.h"

#include <algorithm>
#include <iterator>

#include "isa/contexts.h"

namespace forager::isa {
namespace {

constexpr std::string_view kPrefix = "bpf_iter_";

constexpr IteratorRow kIterators[] = {
#define FORAGER_ITERATOR(name, context) {#name, &kContexts[static_cast<unsigned>(ContextIndex::context)]},
#include "isa/iterators.def"
};

constexpr KernelMember kMeta[] = {
#define FORAGER_META_MEMBER(name, offset, size, to) \
  {KernelStruct::bpf_iter_meta, #name, offset, size, KernelStruct::to},
#include "isa/iterators.def"
};

constexpr KernelMemberName kNames[] = {
#define FORAGER_KERNEL_MEMBER(structure, name) {KernelStruct::structure, #structure, #name},
#include "isa/iterators.def"
};

}  // namespace

std::span<const IteratorRow> iterators() { return kIterators; }

const IteratorRow* find_iterator(std::string_view function) {
  if (!function.starts_with(kPrefix)) return nullptr;
  const auto* row = std::ranges::find(kIterators, function.substr(kPrefix.size()), &IteratorRow::name);
  return row == std::end(kIterators) ? nullptr : row;
}

std::span<const KernelMember> meta_members() { return kMeta; }
std::span<const KernelMemberName> kernel_member_names() { return kNames; }

}  // namespace forager::isa

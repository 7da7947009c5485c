// SPDX-License-Identifier: Apache-2.0
//
// BPF_LINK_UPDATE and BPF_LINK_DETACH: what is done with links that exist. Creating them stands in link_create.cc.
#include <cerrno>

#include "syscall/link_iter.h"

namespace forager::syscall {
namespace {

using runtime::LinkObject;
using runtime::LinkType;
using runtime::ProgramObject;

// What Linux's link operations have.
struct Abilities {
  LinkType type;
  long update;  // 0, or the errno of a link whose program stays
  long detach;
};

constexpr Abilities kAbilities[] = {
    {LinkType::raw_tracepoint, -EINVAL, -EOPNOTSUPP},
    {LinkType::perf_event, -EINVAL, -EOPNOTSUPP},
    {LinkType::kprobe_multi, -EINVAL, -EOPNOTSUPP},
    {LinkType::uprobe_multi, -EINVAL, -EOPNOTSUPP},
    {LinkType::netfilter, -EOPNOTSUPP, 0},
    {LinkType::iter, 0, -EOPNOTSUPP},
};

Abilities abilities_of(const LinkObject& link) {
  for (const Abilities& row : kAbilities) {
    if (row.type == link.spec.type) return row;
  }
  return {link.spec.type, 0, 0};
}

Errno<std::shared_ptr<ProgramObject>> find_program(const Call& call, std::uint32_t fd) {
  return call.fds().find<ProgramObject>(static_cast<int>(fd));
}
Errno<std::shared_ptr<LinkObject>> find_link(const Call& call, std::uint32_t fd) {
  return call.fds().find<LinkObject>(static_cast<int>(fd));
}

}  // namespace

long link_update(const Call& call) {
  const auto& asked = call.attr.link_update;
  const bool replaces = (asked.flags & BPF_F_REPLACE) != 0;
  if ((asked.flags & ~unsigned{BPF_F_REPLACE}) != 0) return -EINVAL;
  const auto link = find_link(call, asked.link_fd);
  if (!link) return link.error();
  auto next = find_program(call, asked.new_prog_fd);
  if (!next) return next.error();
  if (!replaces && asked.old_prog_fd != 0) return -EINVAL;
  Errno<std::shared_ptr<ProgramObject>> expected;
  if (replaces) expected = find_program(call, asked.old_prog_fd);
  if (!expected) return expected.error();
  if (const long error = abilities_of(**link).update; error != 0) return error;
  if ((*link)->spec.type == LinkType::iter) {
    if (const long error = check_iterator_update(call, **link, **next); error != 0) return error;
  }
  return call.runtime().points().update(**link, std::move(*next), expected->get());
}

long link_detach(const Call& call) {
  const auto link = find_link(call, call.attr.link_detach.link_fd);
  if (!link) return link.error();
  if (const long error = abilities_of(**link).detach; error != 0) return error;
  call.runtime().points().detach(**link);
  return 0;
}

}  // namespace forager::syscall

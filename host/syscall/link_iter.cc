// SPDX-License-Identifier: Apache-2.0
#include "syscall/link_iter.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>

#include "syscall/iterator_file.h"

namespace forager::syscall {
namespace {

using runtime::LinkObject;
using runtime::LinkType;
using runtime::MapUser;
using runtime::ProgramObject;

// union bpf_iter_link_info: maps use its first word, what iterators over cgroups and tasks need is longer.
struct IteratorInfo {
  std::uint32_t map_fd;
  std::uint32_t rest[3];
};

Errno<IteratorInfo> read_info(const LinkAttributes& asked) {
  IteratorInfo info{};
  const auto& [at, length] = asked.iter;
  if ((at == 0) != (length == 0)) return std::unexpected(-EINVAL);
  if (at == 0) return info;
  if (const long error = check_tail_zero(at, sizeof info, length); error != 0) return std::unexpected(error);
  const long error = copy_from_user(&info, at, std::min<std::size_t>(sizeof info, length));
  if (error != 0) return std::unexpected(error);
  return info;
}

// The map that the link names; null for iterators that need none.
Errno<std::shared_ptr<MapUser>> find_map(const Call& call, const ProgramObject& program, const IteratorInfo& info) {
  if (program.source().iterator->name != "bpf_map_elem") return nullptr;
  if (info.map_fd == 0) return std::unexpected(-EBADF);
  return call.fds().find<MapUser>(static_cast<int>(info.map_fd));
}

unsigned cpus(const Call& call) { return call.runtime().environment.cpus; }

}  // namespace

long attach_iterator(const Call& call, const LinkAttributes& asked, const std::shared_ptr<ProgramObject>& program) {
  const bool expected = program->source().attach_type == asked.attach_type;
  if (program->source().iterator == nullptr || !expected || asked.target != 0 || asked.flags != 0) return -EINVAL;
  const auto info = read_info(asked);
  if (!info) return info.error();
  const auto map = find_map(call, *program, *info);
  if (!map) return map.error();
  const runtime::MapObject* object = *map == nullptr ? nullptr : (*map)->object().get();
  if (const int error = runtime::check_iterator(*program, object, cpus(call)); error != 0) return error;
  return install_link(call, {.type = LinkType::iter, .attach_type = asked.attach_type, .map = *map}, program);
}

// Linux looks at the program only, and lets one in that reaches behind the map's values.
long check_iterator_update(const Call& call, const LinkObject& link, const ProgramObject& next) {
  const auto& now = link.program()->source();
  if (now.attach_type != next.source().attach_type || now.iterator != next.source().iterator) return -EINVAL;
  return runtime::check_iterator(next, link.spec.map == nullptr ? nullptr : link.spec.map->object().get(), cpus(call));
}

long iter_create(const Call& call) {
  if (call.attr.iter_create.flags != 0) return -EINVAL;
  const auto link = call.fds().find<LinkObject>(static_cast<int>(call.attr.iter_create.link_fd));
  if (!link) return link.error();
  if ((*link)->spec.type != LinkType::iter) return -EINVAL;
  auto iterator = runtime::Iterator::open(call.runtime(), **link);
  if (!iterator) return iterator.error();
  return call.fds().install(std::make_shared<IteratorFile>(std::move(*iterator)), O_WRONLY);
}

}  // namespace forager::syscall

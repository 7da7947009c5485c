// SPDX-License-Identifier: Apache-2.0
#include "syscall/targets.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace forager::syscall {
namespace {

using isa::AttachType;
using isa::ProgType;
using runtime::Place;
using runtime::ProgramObject;

constexpr ProgType kCgroupTypes[] = {ProgType::cgroup_skb,     ProgType::cgroup_sock,   ProgType::cgroup_sock_addr,
                                     ProgType::cgroup_sockopt, ProgType::cgroup_sysctl, ProgType::cgroup_device,
                                     ProgType::sock_ops};

// A directory is the cgroup of its path, counted from where cgroups are mounted.
Errno<Place> cgroup_place(const Call& call, std::uint32_t attach_type, std::uint32_t target) {
  struct stat status{};
  if (fstat(static_cast<int>(target), &status) != 0 || !S_ISDIR(status.st_mode)) return std::unexpected(-EBADF);
  const std::string link = "/proc/self/fd/" + std::to_string(target);
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size());
  if (length <= 0) return std::unexpected(-EBADF);
  path.resize(static_cast<std::size_t>(length));
  const std::string& mount = call.runtime().settings.cgroup_mount;
  if (path.starts_with(mount) && (path.size() == mount.size() || path[mount.size()] == '/'))
    path.erase(0, mount.size());
  const auto id = call.runtime().cgroups.at(path.empty() ? "/" : path);
  if (!id) return std::unexpected(-EBADF);
  return Place::cgroup(*id, attach_type);
}

Errno<Place> sockmap_place(const Call& call, std::uint32_t attach_type, std::uint32_t target) {
  const auto map = call.fds().find<runtime::MapUser>(static_cast<int>(target));
  if (!map) return std::unexpected(map.error());
  const isa::MapType type = (*map)->object()->spec().type;
  if (type != isa::MapType::sockmap && type != isa::MapType::sockhash) return std::unexpected(-EOPNOTSUPP);
  return Place::map((*map)->object()->id, attach_type);
}

// There is one network namespace here, and every descriptor of one names it.
Errno<Place> netns_place(std::uint32_t attach_type, std::uint32_t target) {
  const int fd = static_cast<int>(target);
  if (fcntl(fd, F_GETFD) < 0) return std::unexpected(-EBADF);
  if (::syscall(SYS_ioctl, fd, NS_GET_NSTYPE) != CLONE_NEWNET) return std::unexpected(-EINVAL);
  return Place::netns(attach_type);
}

Errno<Place> port_place(const Call& call, std::uint32_t attach_type, std::uint32_t target) {
  if (!call.runtime().port_exists(target)) return std::unexpected(-ENODEV);
  return Place::port(target, attach_type);
}

}  // namespace

TargetKind target_kind(std::uint32_t attach_type) {
  const isa::AttachRow* row = isa::find_attach(attach_type);
  if (row == nullptr) return TargetKind::other;
  switch (row->type) {
    case AttachType::xdp:
    case AttachType::tcx_ingress:
    case AttachType::tcx_egress:
    case AttachType::netkit_primary:
    case AttachType::netkit_peer:
      return TargetKind::port;
    case AttachType::flow_dissector:
    case AttachType::sk_lookup:
      return TargetKind::netns;
    case AttachType::sk_skb_stream_parser:
    case AttachType::sk_skb_stream_verdict:
    case AttachType::sk_skb_verdict:
    case AttachType::sk_msg_verdict:
      return TargetKind::sockmap;
    default:
      break;
  }
  const bool cgroup =
      std::ranges::any_of(kCgroupTypes, [&](ProgType type) { return (row->program_types & isa::set_of(type)) != 0; });
  return cgroup ? TargetKind::cgroup : TargetKind::other;
}

Errno<Place> place_of(const Call& call, std::uint32_t attach_type, std::uint32_t target) {
  switch (target_kind(attach_type)) {
    case TargetKind::port:
      return port_place(call, attach_type, target);
    case TargetKind::cgroup:
      return cgroup_place(call, attach_type, target);
    case TargetKind::sockmap:
      return sockmap_place(call, attach_type, target);
    case TargetKind::netns:
      return netns_place(attach_type, target);
    case TargetKind::other:
      break;
  }
  return std::unexpected(-EINVAL);
}

bool takes(std::uint32_t attach_type, const ProgramObject& program) {
  constexpr ProgType kExact[] = {ProgType::cgroup_sock, ProgType::cgroup_sock_addr, ProgType::cgroup_sockopt,
                                 ProgType::sk_lookup};
  const isa::AttachRow* row = isa::find_attach(attach_type);
  if (row == nullptr || (row->program_types & isa::set_of(program.type())) == 0) return false;
  const bool exact = std::ranges::find(kExact, program.type()) != std::end(kExact);
  return !exact || program.source().attach_type == attach_type;
}

Errno<std::shared_ptr<ProgramObject>> program_for(const Call& call, std::uint32_t attach_type, std::uint32_t fd) {
  auto program = call.fds().find<ProgramObject>(static_cast<int>(fd));
  if (!program) return program;
  if (!takes(attach_type, **program)) return std::unexpected(-EINVAL);
  return program;
}

namespace {

template <class T>
Errno<std::shared_ptr<T>> by_fd_or_id(const Call& call, const runtime::IdTable<T>& table, std::uint32_t flags,
                                      std::uint32_t number) {
  if ((flags & kFlagId) == 0) return call.fds().find<T>(static_cast<int>(number));
  auto object = table.find(number);
  if (!object) return std::unexpected(-ENOENT);
  return object;
}

}  // namespace

Errno<runtime::Who> relative_of(const Call& call, std::uint32_t flags, std::uint32_t relative, ProgType type) {
  runtime::Who who;
  if ((flags & kFlagLink) != 0) {
    auto link = by_fd_or_id(call, call.runtime().links(), flags, relative);
    if (!link) return std::unexpected(link.error());
    who = {(*link)->program(), *link};
  } else if ((flags & kFlagId) != 0 || relative != 0) {
    auto program = by_fd_or_id(call, call.runtime().programs(), flags, relative);
    if (!program) return std::unexpected(program.error());
    who.program = std::move(*program);
  }
  if (who.program && who.program->type() != type) return std::unexpected(-EINVAL);
  return who;
}

}  // namespace forager::syscall

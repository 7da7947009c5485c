// SPDX-License-Identifier: Apache-2.0
//
// BPF_OBJ_PIN and BPF_OBJ_GET (kernel/bpf/inode.c).
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "syscall/attributes.h"
#include "syscall/commands.h"
#include "syscall/virtual_files.h"

namespace forager::syscall {
namespace {

constexpr unsigned kAccess = BPF_F_RDONLY | BPF_F_WRONLY;

// path_fd counts only with the flag that says so.
Errno<std::string> read_path(const Call& call, const PathAttributes& asked) {
  if ((asked.flags & kFlagPathFd) == 0 && asked.directory != 0) return std::unexpected(-EINVAL);
  const auto path = read_user_string(asked.path, PATH_MAX);
  if (!path) return std::unexpected(path.error());
  if (path->empty()) return std::unexpected(-ENOENT);
  if (path->size() + 1 >= PATH_MAX) return std::unexpected(-ENAMETOOLONG);
  return call.process.files.resolve((asked.flags & kFlagPathFd) != 0 ? asked.directory : AT_FDCWD, *path);
}

struct Install {
  const Call& call;
  unsigned access;

  long operator()(const std::shared_ptr<runtime::MapUser>& map) const {
    return install_map(call.fds(), map->object(), access);
  }
  long operator()(const std::shared_ptr<runtime::LinkObject>& link) const {
    return access != 0 ? -EINVAL : call.fds().install(link);
  }
  template <class T>
  long operator()(const T& object) const {
    return call.fds().install(object);
  }
};

}  // namespace

long obj_pin(const Call& call) {
  const auto asked = part_of<PathAttributes>(call.attr);
  if ((asked.flags & ~kFlagPathFd) != 0) return -EINVAL;
  const auto path = read_path(call, asked);
  if (!path && path.error() == -EINVAL) return -EINVAL;
  auto object = call.fds().find(static_cast<int>(asked.fd));
  if (!object) return -EINVAL;  // for closed descriptors too
  return path ? call.process.files.pins().pin(*path, std::move(*object)) : path.error();
}

long obj_get(const Call& call) {
  const auto asked = part_of<PathAttributes>(call.attr);
  if (asked.fd != 0 || (asked.flags & ~(kAccess | kFlagPathFd)) != 0) return -EINVAL;
  if ((asked.flags & kAccess) == kAccess) return -EINVAL;
  const auto path = read_path(call, asked);
  if (!path) return path.error();
  const auto object = call.process.files.pins().get(*path);
  return object ? std::visit(Install{call, asked.flags & kAccess}, *object) : object.error();
}

}  // namespace forager::syscall

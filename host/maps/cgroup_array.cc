// SPDX-License-Identifier: Apache-2.0
#include "maps/cgroup_array.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "maps/attributes.h"

namespace forager::maps {
namespace {

// 0 if the descriptor names no cgroup. The id is the number of the directory's inode.
std::uint64_t id_of_directory(int fd) {
  struct statfs system{};
  struct stat status{};
  if (fstatfs(fd, &system) != 0 || system.f_type != CGROUP2_SUPER_MAGIC) return 0;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

int CgroupArrayMap::set(std::uint32_t index, std::uint64_t id) {
  if (index >= spec().max_entries) return -E2BIG;
  slots().set(index, id);
  return 0;
}

int CgroupArrayMap::update(const void*, const void*, std::uint64_t, unsigned) { return -EINVAL; }

int CgroupArrayMap::erase(const void* key) {
  const std::uint32_t index = index_of(key);
  if (index >= spec().max_entries) return -E2BIG;
  return slots().set(index, 0) != 0 ? 0 : -ENOENT;
}

int CgroupArrayMap::read(const void*, void*, std::uint64_t flags) {
  return flags != 0 ? -EINVAL : -exec::kNotSupported;
}

int CgroupArrayMap::write(const void* key, const void* value, std::uint64_t flags) {
  const std::uint32_t index = index_of(key);
  if (flags != 0) return -EINVAL;
  if (index >= spec().max_entries) return -E2BIG;
  const std::uint64_t id = id_of_directory(static_cast<int>(index_of(value)));
  return id != 0 ? set(index, id) : -EBADF;
}

MapResult make_cgroup_array(exec::MapSpec spec, unsigned) {
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .equal("value_size", spec.value_size, 4)
                           .allocates(std::uint64_t{spec.max_entries} * kWordBytes)
                           .done();
  return open_map<CgroupArrayMap>(checked, std::move(spec));
}

}  // namespace forager::maps

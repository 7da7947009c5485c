// SPDX-License-Identifier: Apache-2.0
#include "maps/cgroup_storage.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "maps/storage_attributes.h"
#include "maps/words.h"

namespace forager::maps {
namespace {

constexpr std::uint64_t kMaxId = (1ULL << 56) - 1;
constexpr std::uint32_t kMaxAttachType = 0xff;

}  // namespace

std::uint64_t CgroupStorage::cookie_of(const void* key) const {
  bpf_cgroup_storage_key parts{};
  std::memcpy(&parts, key, spec().key_size);
  if (parts.cgroup_inode_id > kMaxId || parts.attach_type > kMaxAttachType) return 0;
  return cgroup_owner_cookie(parts.cgroup_inode_id, static_cast<std::uint8_t>(parts.attach_type));
}

std::uint64_t CgroupStorage::cookie_of(const exec::StorageOwner& owner) const {
  return spec().key_size == sizeof(std::uint64_t) ? owner.cookie & kMaxId : owner.cookie;
}

int CgroupStorage::erase(const void*) { return -EINVAL; }

// As in Linux, a key that is not there ends the walk.
int CgroupStorage::next_key(const void* key, void* next) {
  const std::uint64_t from = key == nullptr ? 0 : cookie_of(key);
  if (key != nullptr && values_.find(from) == nullptr) return -ENOENT;
  const std::uint64_t cookie = values_.next(from);
  if (cookie == 0) return -ENOENT;
  const bpf_cgroup_storage_key parts = {.cgroup_inode_id = cookie & kMaxId,
                                        .attach_type = static_cast<std::uint32_t>(cookie >> 56)};
  std::memcpy(next, &parts, spec().key_size);
  return 0;
}

int CgroupStorage::read(const void* key, void* value, std::uint64_t flags) {
  if (flags != 0) return -EINVAL;
  const std::byte* stored = values_.find(cookie_of(key));
  if (stored == nullptr) return -ENOENT;
  copy_out(value, stored, exec::host_value_size(spec(), cpus_));
  return 0;
}

int CgroupStorage::write(const void* key, const void* value, std::uint64_t flags) {
  if (flags != BPF_ANY && flags != BPF_EXIST) return -EINVAL;
  std::byte* stored = values_.find(cookie_of(key));
  if (stored == nullptr) return -ENOENT;
  copy_in(stored, value, exec::host_value_size(spec(), cpus_));
  return 0;
}

exec::MapUsage CgroupStorage::usage() const {
  exec::MapUsage usage = values_.usage();
  usage.bytes += sizeof *this;
  return usage;
}

void* CgroupStorage::get(const exec::StorageOwner& owner, const void* initial, std::uint64_t flags) {
  const exec::StorageOwner named{cookie_of(owner), owner.alive};
  return flags == 0 ? values_.find(named.cookie) : values_.find_or_make(named, initial);
}

namespace {

MapResult make(exec::MapSpec spec, unsigned cpus, std::uint64_t most) {
  const auto checked = check_cgroup_storage(spec, most);
  return open_map<CgroupStorage>(checked, std::move(spec), cpus);
}

}  // namespace

MapResult make_cgroup_storage(exec::MapSpec spec, unsigned cpus) {
  return make(std::move(spec), cpus, kMaxStorageValue);
}
MapResult make_percpu_cgroup_storage(exec::MapSpec spec, unsigned cpus) {
  return make(std::move(spec), cpus, kMaxPerCpuValue);
}

}  // namespace forager::maps

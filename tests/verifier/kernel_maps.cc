// SPDX-License-Identifier: Apache-2.0
#include "kernel_maps.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace forager::verifier::golden {
namespace {

using isa::MapType;

int bpf(int command, bpf_attr& attr) {
  const long result = syscall(SYS_bpf, command, &attr, sizeof attr);
  return result >= 0 ? static_cast<int>(result) : -errno;
}

// Local storage is refused without BTF.
bool needs_btf(const program::MapSpec& map) {
  return !map.fields.empty() || map.type == MapType::sk_storage || map.type == MapType::task_storage ||
         map.type == MapType::inode_storage || map.type == MapType::cgrp_storage;
}

int describe(const program::MapSpec& map, bpf_attr& attr) {
  KernelBtf btf;
  attr.btf_key_type_id = btf.add_key(map.key_size);
  attr.btf_value_type_id = btf.add_value(map);
  const int fd = btf.load();
  if (fd >= 0) attr.btf_fd = static_cast<std::uint32_t>(fd);
  return fd;
}

int freeze(int fd, const std::vector<std::byte>& value) {
  const std::uint32_t key = 0;
  bpf_attr attr{};
  attr.map_fd = static_cast<std::uint32_t>(fd);
  attr.key = reinterpret_cast<std::uintptr_t>(&key);
  attr.value = reinterpret_cast<std::uintptr_t>(value.data());
  const int written = bpf(BPF_MAP_UPDATE_ELEM, attr);
  attr = {};
  attr.map_fd = static_cast<std::uint32_t>(fd);
  return written != 0 ? written : bpf(BPF_MAP_FREEZE, attr);
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd create_in_kernel(const program::MapSpec& map) {
  bpf_attr attr{};
  attr.map_type = static_cast<std::uint32_t>(map.type);
  attr.key_size = map.key_size;
  attr.value_size = map.value_size;
  attr.max_entries = map.max_entries;
  attr.map_flags = map.flags;
  attr.map_extra = map.extra;
  std::strncpy(attr.map_name, map.name.c_str(), sizeof attr.map_name - 1);
  const Fd inner = map.inner != nullptr ? create_in_kernel(*map.inner) : Fd(-1);
  if (map.inner != nullptr) {
    if (inner.get() < 0) return Fd(inner.get());
    attr.inner_map_fd = static_cast<std::uint32_t>(inner.get());
  }
  const Fd btf(needs_btf(map) ? describe(map, attr) : -1);
  Fd out(bpf(BPF_MAP_CREATE, attr));
  if (out.get() < 0 || map.frozen == nullptr) return out;
  const int frozen = freeze(out.get(), *map.frozen);
  return frozen != 0 ? Fd(frozen) : std::move(out);
}

}  // namespace forager::verifier::golden

// SPDX-License-Identifier: Apache-2.0
#include "syscall/mapping.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

#include "maps/ring_map.h"
#include "syscall/commands.h"
#include "syscall/perf_event.h"

namespace forager::syscall {
namespace {

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
std::size_t round_up_page(std::size_t bytes) { return (bytes + page_bytes() - 1) & ~(page_bytes() - 1); }

// mmap() may lead back here (wrap.cc); syscall() of this number passes through.
long real_mmap(const MappingRequest& request) {
  const long result = ::syscall(SYS_mmap, request.address, request.length, request.protection, request.flags,
                                request.fd, request.offset);
  return result == -1 ? -errno : result;
}

bool writable(const MappingRequest& request) { return (request.protection & PROT_WRITE) != 0; }
bool shared(const MappingRequest& request) {
  const int type = request.flags & MAP_TYPE;
  return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

long map_array(const runtime::MapObject& map, MappingRequest request) {
  const exec::MapMemory memory = map.map->memory();
  if ((map.spec().flags & BPF_F_MMAPABLE) == 0 || memory.fd < 0) return -EINVAL;
  const auto end = static_cast<std::size_t>(request.offset) + round_up_page(request.length);
  if (end > round_up_page(memory.size)) return -EINVAL;
  return real_mmap(request);  // the descriptor's inode is the memory itself
}

long map_ring(const maps::RingMap& ring, const MappingRequest& request) {
  void* address = ring.map(request.address, request.length, request.protection, request.flags,
                           static_cast<std::uint64_t>(request.offset));
  return address == MAP_FAILED ? -errno : reinterpret_cast<long>(address);
}

long map_map(const runtime::MapObject& map, const MappingRequest& request) {
  const auto* ring = dynamic_cast<const maps::RingMap*>(map.map.get());
  const bool array = map.spec().type == isa::MapType::array && map.spec().fields.empty();
  if (ring == nullptr && !array) return -kNotSupported;
  if (!shared(request)) return -EINVAL;
  if (!may_read(request.fd) || (writable(request) && !may_write(request.fd))) return -EACCES;
  if (writable(request) && map.frozen()) return -EPERM;
  if (writable(request) && (map.spec().flags & BPF_F_RDONLY_PROG) != 0) return -EACCES;
  return ring == nullptr ? map_array(map, request) : map_ring(*ring, request);
}

long map_perf_event(PerfEvent& event, MappingRequest request) {
  if (!shared(request) || request.offset != 0) return -EINVAL;
  const auto fd = event.open_buffer(request.length, writable(request));
  if (!fd) return fd.error();
  request.fd = *fd;
  return real_mmap(request);
}

}  // namespace

std::optional<long> map_object(const FdTable& fds, const MappingRequest& request) {
  const auto object = fds.find(request.fd);
  if (!object) return std::nullopt;
  if (const auto* map = std::get_if<std::shared_ptr<runtime::MapUser>>(&*object)) {
    return map_map(*(*map)->object(), request);
  }
  if (const auto* event = std::get_if<std::shared_ptr<PerfEvent>>(&*object)) return map_perf_event(**event, request);
  return -ENODEV;  // programs, BTF and links have no memory
}

// The kernel counts writable mappings; here /proc/self/maps knows them. The map's own one is told by its address.
bool mapped_writable(const runtime::MapObject& map) {
  const exec::MapMemory memory = map.map->memory();
  struct stat status{};
  if (memory.fd < 0 || fstat(memory.fd, &status) != 0) return false;
  const auto own = reinterpret_cast<unsigned long>(memory.base);
  std::ifstream mappings("/proc/self/maps");
  for (std::string line; std::getline(mappings, line);) {
    unsigned long begin = 0, end = 0, inode = 0;
    unsigned device_major = 0, device_minor = 0;
    char access[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %x:%x %lu", &begin, &end, access, &device_major, &device_minor,
                    &inode) != 6) {
      continue;
    }
    const bool same = inode == status.st_ino && makedev(device_major, device_minor) == status.st_dev;
    if (same && access[1] == 'w' && (own < begin || own >= end)) return true;
  }
  return false;
}

}  // namespace forager::syscall

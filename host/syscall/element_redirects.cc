// SPDX-License-Identifier: Apache-2.0
#include "syscall/element_redirects.h"

#include <cerrno>

namespace forager::syscall {
namespace {

using runtime::MapObject;
using runtime::ProgramObject;

// kernel/bpf/devmap.c __dev_map_alloc_node, cpumap.c __cpu_map_load_bpf_program.
int find_program(const Call& call, MapObject& map, int fd, exec::ProgramSlot& found) {
  const std::uint32_t wanted = map.spec().type == isa::MapType::cpumap ? BPF_XDP_CPUMAP : BPF_XDP_DEVMAP;
  const auto program = call.fds().find<ProgramObject>(fd);
  if (!program) return static_cast<int>(program.error());
  const ProgramObject& object = **program;
  if (object.type() != isa::ProgType::xdp || object.source().attach_type != wanted) return -EINVAL;
  if (!map.own_programs(object)) return -EINVAL;
  // Whoever holds the slot holds the object, so that its id is one.
  found = {.id = object.id, .program = {*program, object.verified.get()}, .maps = nullptr};
  return 0;
}

}  // namespace

long write_redirect(const Call& call, MapObject& map, const std::byte* key, const std::byte* value,
                    std::uint64_t flags) {
  exec::RedirectTable* table = map.map->abilities().redirects;
  if (table == nullptr) return map.map->write(key, value, flags);
  return table->set(key, value, flags,
                    [&](int fd, exec::ProgramSlot& found) { return find_program(call, map, fd, found); });
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// Values that belong to a socket or to the cgroup that the program runs for (net/core/bpf_sk_storage.c,
// kernel/bpf/cgroup.c bpf_get_local_storage).
#include <linux/bpf.h>

#include <atomic>
#include <cerrno>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

// The frame is nobody's: what it stores is new, and goes with it.
std::shared_ptr<const exec::StorageOwner> new_owner() {
  constexpr std::uint64_t kFirst = 1ULL << 48;  // no cgroup's id
  static std::atomic<std::uint64_t> next{kFirst};
  auto owner = std::make_shared<exec::StorageOwner>();
  owner->cookie = next.fetch_add(1, std::memory_order_relaxed);
  owner->alive = owner;
  return owner;
}

exec::StorageOwner owner_of(exec::Socket& socket) { return {socket.cookie, socket.weak_from_this()}; }

// A cgroup_sock program gives its context, which is a socket; all others give one.
exec::Socket* socket_of(const RunContext& run, u64 argument) {
  if (run.program->program().type() == isa::ProgType::cgroup_sock) return frame_at(argument).socket.get();
  return pointer<exec::Socket>(argument);
}

}  // namespace

u64 sk_storage_get(RunContext& run, u64 a, u64 argument, u64 initial, u64 flags, u64) {
  exec::Socket* socket = socket_of(run, argument);
  exec::LocalStorage* storage = map(a).abilities().storage;
  if (socket == nullptr || !socket->full() || storage == nullptr) return 0;
  return reinterpret_cast<u64>(storage->get(owner_of(*socket), pointer<void>(initial), flags));
}

u64 sk_storage_delete(RunContext& run, u64 a, u64 argument, u64, u64, u64) {
  exec::Socket* socket = socket_of(run, argument);
  exec::LocalStorage* storage = map(a).abilities().storage;
  if (socket == nullptr || !socket->full() || storage == nullptr) return result(-EINVAL);
  return result(storage->erase(owner_of(*socket)));
}

// The program relies on a value: where memory for one cannot be had, it is stopped. (Linux makes the value when the
// program is attached.)
u64 get_local_storage(RunContext& run, u64 a, u64, u64, u64, u64) {
  auto& cgroup = run.frame->cgroup;
  if (cgroup == nullptr) cgroup = new_owner();
  exec::LocalStorage* storage = map(a).abilities().storage;
  void* value = storage == nullptr ? nullptr : storage->get(*cgroup, nullptr, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (value == nullptr) {
    run.fault = "the cgroup storage has no room for another cgroup";
    return 0;
  }
  const std::size_t stride = (std::size_t{map(a).spec().value_size} + 7) & ~std::size_t{7};
  const bool per_cpu = map(a).spec().type == isa::MapType::percpu_cgroup_storage;
  return reinterpret_cast<u64>(static_cast<std::byte*>(value) + (per_cpu ? run.cpu * stride : 0));
}

}  // namespace forager::helpers

// SPDX-License-Identifier: Apache-2.0
//
// SOCKHASH: sockets by any key of up to 512 bytes, for bpf_sk_redirect_hash and bpf_msg_redirect_hash
// (net/core/sock_map.c).
//
// Tested by: tests/unit/maps_sockets_test.cc.
#include "maps/object_hash.h"
#include "maps/socket_slots.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::uint32_t kStackBytes = 512;         // MAX_BPF_STACK
constexpr std::uint64_t kMaxSockets = 1ULL << 27;  // so that buckets of 16 bytes fit 32 bits of size

class SockHash final : public exec::Map, public SocketHolder, private exec::SocketTable {
 public:
  explicit SockHash(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.sockets = this; }
  [[nodiscard]] Result<> open() {
    return sockets_.open({.key_size = spec().key_size, .max_entries = spec().max_entries});
  }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return sockets_.erase(key); }
  int next_key(const void* key, void* next) override { return sockets_.next_key(key, next); }
  int write(const void*, const void*, std::uint64_t) override { return -EBADF; }

  int read(const void* key, void* value, std::uint64_t flags) override {
    return read_cookie(spec(), sockets_.get(key), value, flags);
  }
  void forget(const exec::Socket& socket) override {
    sockets_.erase_all([&](const SocketRef& held) { return held.get() == &socket; });
  }
  [[nodiscard]] exec::MapUsage usage() const override { return {sockets_.used(), sockets_.bytes() + sizeof *this}; }

 private:
  int set(const void* key, SocketRef socket, std::uint64_t flags) override {
    return socket == nullptr ? -EINVAL : sockets_.set(key, std::move(socket), flags);
  }
  [[nodiscard]] SocketRef get(const void* key) const override { return sockets_.get(key); }

  ObjectHash<SocketRef> sockets_;
};

}  // namespace

MapResult make_sockhash(exec::MapSpec spec, unsigned) {
  const auto checked = check_sockets(spec)
                           .at_least("key_size", spec.key_size, 1)
                           .at_most("key_size", spec.key_size, kStackBytes, E2BIG)
                           .at_most("max_entries", spec.max_entries, kMaxSockets, EINVAL)
                           .done();
  return open_map<SockHash>(checked, std::move(spec));
}

}  // namespace forager::maps

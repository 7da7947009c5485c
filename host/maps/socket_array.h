// SPDX-License-Identifier: Apache-2.0
//
// SocketArray: SOCKMAP and REUSEPORT_SOCKARRAY, which differ in what they answer to the deletion of what is not there.
//
// Tested by: tests/unit/maps_sockets_test.cc.
#pragma once

#include "maps/array_keys.h"
#include "maps/object_slots.h"
#include "maps/socket_slots.h"
#include "maps/types.h"

namespace forager::maps {

// Errno of an erase past the end, and of an empty slot.
struct EraseErrors {
  int past_end;
  int empty;
};

class SocketArray final : public exec::Map, public SocketHolder, private exec::SocketTable {
 public:
  SocketArray(exec::MapSpec spec, EraseErrors errors) : Map(std::move(spec)), errors_(errors) {
    abilities_.sockets = this;
  }
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }
  int write(const void*, const void*, std::uint64_t) override { return -EBADF; }

  int erase(const void* key) override {
    const int error = slots_.clear(index_of(key));
    return error == -E2BIG ? -errors_.past_end : error == -ENOENT ? -errors_.empty : error;
  }
  int read(const void* key, void* value, std::uint64_t flags) override {
    return read_cookie(spec(), slots_.get(index_of(key)), value, flags);
  }
  void forget(const exec::Socket& socket) override {
    slots_.clear_all([&](const SocketRef& held) { return held.get() == &socket; });
  }
  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 private:
  int set(const void* key, SocketRef socket, std::uint64_t flags) override {
    if (socket == nullptr || flags > kExist) return -EINVAL;
    return slots_.set(index_of(key), std::move(socket), flags);
  }
  [[nodiscard]] SocketRef get(const void* key) const override { return slots_.get(index_of(key)); }

  static constexpr std::uint64_t kExist = 2;  // BPF_EXIST, the last

  EraseErrors errors_;
  ObjectSlots<SocketRef> slots_;
};

[[nodiscard]] inline MapResult make_socket_array(exec::MapSpec spec, EraseErrors errors) {
  const auto checked = check_sockets(spec)
                           .equal("key_size", spec.key_size, 4)
                           .allocates(std::uint64_t{spec.max_entries} * sizeof(void*))
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto map = std::make_shared<SocketArray>(std::move(spec), errors);
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps

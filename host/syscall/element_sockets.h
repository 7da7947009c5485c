// SPDX-License-Identifier: Apache-2.0
//
// Elements that are sockets, and values that sockets have (ElementKind): the user names a socket by its descriptor and
// sees its cookie (net/core/sock_map.c, kernel/bpf/reuseport_array.c, net/core/bpf_sk_storage.c).
//
// Tested by: tests/unit/syscall_sockets_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "syscall/commands.h"

namespace forager::syscall {

// SOCKMAP, SOCKHASH, REUSEPORT_SOCKARRAY. -ENOSPC to read where a value has not the 8 bytes of a cookie.
[[nodiscard]] long read_socket(const Call& call, runtime::MapObject& map, const std::byte* key, std::byte* value,
                               std::uint64_t flags);
// TCP that is connected or listens, UDP, connected Unix and vsock sockets; -EOPNOTSUPP for others.
[[nodiscard]] long write_socket(const Call& call, runtime::MapObject& map, const std::byte* key, const std::byte* value,
                                std::uint64_t flags);
// TCP and UDP with SO_REUSEPORT that are bound: -ENOTSUPP or -EINVAL for others.
[[nodiscard]] long write_reuseport(const Call& call, runtime::MapObject& map, const std::byte* key,
                                   const std::byte* value, std::uint64_t flags);

// SK_STORAGE: the key is the socket's descriptor.
[[nodiscard]] long read_socket_storage(const Call& call, runtime::MapObject& map, const std::byte* key,
                                       std::byte* value, std::uint64_t flags);
[[nodiscard]] long write_socket_storage(const Call& call, runtime::MapObject& map, const std::byte* key,
                                        const std::byte* value, std::uint64_t flags);
[[nodiscard]] long erase_socket_storage(const Call& call, runtime::MapObject& map, const std::byte* key);

}  // namespace forager::syscall

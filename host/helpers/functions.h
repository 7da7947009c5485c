// SPDX-License-Identifier: Apache-2.0
//
// What the families share: the declaration of every helper function, made from host_helpers.def, and the few
// conversions between C++ and the registers of a call.
//
// A helper takes its arguments as the five raw registers. Pointers are host addresses that the engine has checked for
// the size the helper's row states; scalars are whatever the program left there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "exec/environment.h"

namespace forager::helpers {

using exec::RunContext;
using u64 = std::uint64_t;  // a register

#define FORAGER_HOST_HELPER(name) u64 name(RunContext& run, u64 a, u64 b, u64 c, u64 d, u64 e);
#include "exec/host_helpers.def"

// A negative errno (or any int) as a helper returns it.
[[nodiscard]] constexpr u64 result(std::int64_t value) { return static_cast<u64>(value); }

template <class T>
[[nodiscard]] T* pointer(u64 argument) {
  return reinterpret_cast<T*>(argument);
}
[[nodiscard]] inline exec::Map& map(u64 argument) { return *pointer<exec::Map>(argument); }
[[nodiscard]] inline std::span<const std::byte> bytes(u64 address, u64 size) {
  return {pointer<const std::byte>(address), static_cast<std::size_t>(size)};
}

[[nodiscard]] inline exec::Frame& frame_at(u64 argument) { return *pointer<exec::Frame>(argument); }
[[nodiscard]] inline exec::Socket& socket_at(u64 argument) { return *pointer<exec::Socket>(argument); }

// A map or a socket that the program gets a pointer to, kept until the invocation ends; its address. Null stays null.
[[nodiscard]] u64 hold(RunContext& run, std::shared_ptr<const void> object);

// Puts the socket that is seen from `view` on into a map of sockets (sock_map_update_elem). -EINVAL, -EOPNOTSUPP for
// one that no such map holds; errors of the map.
[[nodiscard]] int add_socket(exec::Map& to, const void* key, u64 view, u64 flags);

}  // namespace forager::helpers

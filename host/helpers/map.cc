// SPDX-License-Identifier: Apache-2.0
//
// Map access. The engine has checked keys and values for the map's sizes.
#include <algorithm>

#include "helpers/functions.h"

namespace forager::helpers {

// A program that looks the same up again and again holds it once, if it is among the last few; one that holds more
// than a million is stopped, as one is that has more pointers than that (interp/memory.h).
u64 hold(RunContext& run, std::shared_ptr<const void> object) {
  constexpr std::size_t kMost = 1U << 20;
  constexpr std::ptrdiff_t kLast = 8;
  const auto address = reinterpret_cast<u64>(object.get());
  auto& held = run.held;
  const auto from = held.end() - std::min<std::ptrdiff_t>(kLast, held.end() - held.begin());
  if (object == nullptr || std::find(from, held.end(), object) != held.end()) return address;
  if (held.size() == kMost) {
    run.fault = "the program holds more than a million maps and sockets";
    return 0;
  }
  held.push_back(std::move(object));
  return address;
}

u64 map_lookup_elem(RunContext& run, u64 a, u64 key, u64, u64, u64) {
  exec::Map& of = map(a);
  if (of.abilities().maps != nullptr) return hold(run, of.abilities().maps->get(pointer<void>(key)).map);
  if (of.abilities().sockets != nullptr) return hold(run, of.abilities().sockets->get(pointer<void>(key)));
  return reinterpret_cast<u64>(of.lookup(pointer<void>(key), run.cpu));
}

u64 map_update_elem(RunContext& run, u64 a, u64 key, u64 value, u64 flags, u64) {
  exec::Map& of = map(a);
  if (of.abilities().sockets != nullptr) return result(add_socket(of, pointer<void>(key), value, flags));
  return result(of.update(pointer<void>(key), pointer<void>(value), flags, run.cpu));
}

u64 map_delete_elem(RunContext&, u64 a, u64 key, u64, u64, u64) { return result(map(a).erase(pointer<void>(key))); }

u64 map_lookup_percpu_elem(RunContext& run, u64 a, u64 key, u64 cpu, u64, u64) {
  const auto lane = static_cast<std::uint32_t>(cpu);
  if (lane >= run.environment->cpus) return 0;
  return reinterpret_cast<u64>(map(a).lookup(pointer<void>(key), lane));
}

}  // namespace forager::helpers

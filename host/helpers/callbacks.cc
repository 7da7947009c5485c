// SPDX-License-Identifier: Apache-2.0
//
// Helpers that call a function of the program again and again (kernel/bpf/bpf_iter.c bpf_loop,
// bpf_for_each_map_elem). A callback returns 0 to go on and 1 to stop.
#include <cerrno>
#include <utility>
#include <vector>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

using exec::CallbackArgument;

constexpr u64 kMaxLoops = u64{1} << 23;  // BPF_MAX_LOOPS

// One element: map, key, value and the program's own context. Nothing if the program was stopped.
std::optional<u64> visit(RunContext& run, u64 function, exec::Map& of, const std::vector<std::byte>& key, void* value,
                         u64 context) {
  const CallbackArgument arguments[] = {{.kind = CallbackArgument::Kind::map, .map = &of},
                                        {.kind = CallbackArgument::Kind::memory,
                                         .value = reinterpret_cast<u64>(key.data()),
                                         .size = key.size(),
                                         .writable = false},
                                        {.kind = CallbackArgument::Kind::memory,
                                         .value = reinterpret_cast<u64>(value),
                                         .map = &of,
                                         .size = of.spec().value_size},
                                        {.value = context}};
  return run.calls->call(function, arguments);
}

}  // namespace

// The count is 32 bits.
u64 loop(RunContext& run, u64 rounds, u64 function, u64 context, u64 flags, u64) {
  const auto count = static_cast<std::uint32_t>(rounds);
  if (flags != 0) return result(-EINVAL);
  if (count > kMaxLoops) return result(-E2BIG);
  for (u64 i = 0; i < count; ++i) {
    const CallbackArgument arguments[] = {{.value = i}, {.value = context}};
    const auto returned = run.calls->call(function, arguments);
    if (!returned) return 0;
    if (*returned != 0) return i + 1;
  }
  return count;
}

// The callback may insert and delete: the walk goes on behind the key it stands at, there or not.
u64 for_each_map_elem(RunContext& run, u64 a, u64 function, u64 context, u64 flags, u64) {
  exec::Map& of = map(a);
  exec::Elements* elements = of.abilities().elements;
  if (flags != 0) return result(-EINVAL);
  if (elements == nullptr) return result(-exec::kNotSupported);
  std::vector<std::byte> key(of.spec().key_size);
  std::vector<std::byte> following(key.size());
  u64 visited = 0;
  for (int end = elements->next(nullptr, key.data()); end == 0; key.swap(following)) {
    if (void* value = elements->peek(key.data(), run.cpu); value != nullptr) {
      ++visited;
      const auto returned = visit(run, function, of, key, value, context);
      if (!returned || *returned != 0) break;
    }
    end = elements->next(key.data(), following.data());
  }
  return visited;
}

}  // namespace forager::helpers

// SPDX-License-Identifier: Apache-2.0
//
// Data on its way from user space: bpf_user_ringbuf_drain (kernel/bpf/ringbuf.c). Its callback gets each sample as a
// local dynptr, which is none any more when the callback has returned.
#include "helpers/functions.h"

namespace forager::helpers {
namespace {

// A dynptr for one call: its entry goes with it, unless the program has made others meanwhile.
class LentDynptr {
 public:
  LentDynptr(RunContext& run, std::span<std::byte> memory)
      : run_(run),
        dynptr_(run.dynptrs.add({.base = memory.data(), .size = static_cast<std::uint32_t>(memory.size())})) {}
  LentDynptr(const LentDynptr&) = delete;
  LentDynptr& operator=(const LentDynptr&) = delete;
  ~LentDynptr() {
    auto& entries = run_.dynptrs.entries();
    if (dynptr_.entry == 0 || dynptr_.entry > entries.size()) return;
    if (dynptr_.entry == entries.size()) {
      entries.pop_back();
    } else {
      entries[dynptr_.entry - 1].ended = true;
    }
  }
  [[nodiscard]] exec::CallbackArgument argument() const {
    return {.kind = exec::CallbackArgument::Kind::dynptr, .value = reinterpret_cast<u64>(&dynptr_)};
  }

 private:
  RunContext& run_;
  exec::Dynptr dynptr_;
};

}  // namespace

// The callback goes on by returning 0. One that was stopped ends the drain, and its helper's result is nobody's.
u64 user_ringbuf_drain(RunContext& run, u64 a, u64 function, u64 context, u64 flags, u64) {
  const auto take = [&](std::span<std::byte> sample) {
    const LentDynptr dynptr(run, sample);
    const std::array arguments = {dynptr.argument(), exec::CallbackArgument{.value = context}};
    return run.calls->call(function, arguments) == std::optional<std::uint64_t>(0);
  };
  return result(map(a).abilities().user_ring->drain(take, flags));
}

}  // namespace forager::helpers

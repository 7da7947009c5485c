// SPDX-License-Identifier: Apache-2.0
//
// What programs that see a __sk_buff may do to a packet's size, and how often: frames get the room for it before they
// travel, since a device gives them none.
//
// Tested by: tests/unit/opencl_skb_test.cc, opencl_skb_sizes_test.cc.
#pragma once

#include <string_view>

#include "exec/host_helpers.h"
#include "verifier/verify.h"

namespace forager::jit::opencl {

struct SkbUse {
  static constexpr std::uint32_t kEndless = UINT32_MAX;  // no number is known

  bool sees = false;          // its context is a __sk_buff
  std::uint32_t grows = 0;    // bytes that the packet may grow at its front
  std::uint32_t shrinks = 0;  // ... and lose there
  std::uint32_t longest = 0;  // length that bpf_skb_change_tail may make it, 0: it is not called
  std::uint32_t clones = 0;   // packets that bpf_clone_redirect may send
  bool asks_task = false;     // whose cgroup its socket is of
  bool tunnels = false;       // works with tunnel metadata

  // Of programs of which one may call another's tail, and both work on the packet.
  void join(const SkbUse& other);
};

// The program's functions do not call themselves.
[[nodiscard]] SkbUse skb_use(const verifier::VerifiedProgram& program);

// Why the device cannot give its packets what they may need; empty if it can.
[[nodiscard]] std::string_view too_much_room(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::opencl

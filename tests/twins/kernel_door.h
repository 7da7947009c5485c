// SPDX-License-Identifier: Apache-2.0
//
// The machine's kernel as the verifier that ours is compared with: BPF_PROG_LOAD's attributes kept with everything they
// point to, so that one call can be made again, with other instructions in it, and what the kernel's log says of the
// cost.
//
// Why the log and not a clock: its "verification time" is the verifier's own, without the JIT's share and without the
// system call's.
//
// Tested by: tests/twins/tee_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "isa/isa.h"

namespace forager::twins {

// What a verifier said of a program, and what that cost.
struct Verdict {
  int error = 0;        // 0: accepted; otherwise errno
  std::string message;  // why not, for people: the last words of the log
  std::string log;
  std::uint64_t processed = 0;  // instructions
  std::uint64_t total_states = 0;
  std::uint64_t peak_states = 0;
  double milliseconds = 0;  // inside the verifier
  [[nodiscard]] bool accepted() const { return error == 0; }
};

class LoadCall {
 public:
  LoadCall() = default;
  // A copy of the call, as a caller made it: `size` is what it gave as the size of its bpf_attr.
  LoadCall(const bpf_attr& attr, std::size_t size);

  // Other descriptors for the maps and the BTF that it names.
  void rename(const std::function<int(int)>& name_of);

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::span<const isa::Slot> slots() const { return slots_; }  // maps by descriptor
  // The attributes over other instructions, for as long as `slots` and this live. Without a log.
  [[nodiscard]] bpf_attr over(std::span<const isa::Slot> slots) const;

 private:
  bpf_attr attr_{};
  std::vector<isa::Slot> slots_;
  std::vector<std::byte> functions_, lines_;
  std::string licence_;
};

// bpf(2) of the kernel: a descriptor or 0, or a negative errno.
[[nodiscard]] long kernel_bpf(int command, bpf_attr& attr, std::size_t size = sizeof(bpf_attr));

// A descriptor of the smallest program that the kernel loads, or a negative errno.
[[nodiscard]] long load_smallest();

// Why the kernel cannot be asked here, or empty.
[[nodiscard]] const std::string& no_kernel();

// Loads the program into the kernel and lets it go. `explain` asks for the whole path to an error, which is slower.
[[nodiscard]] Verdict ask_kernel(const LoadCall& call, std::span<const isa::Slot> slots, bool explain = false);
[[nodiscard]] inline Verdict ask_kernel(const LoadCall& call) { return ask_kernel(call, call.slots()); }

}  // namespace forager::twins

// SPDX-License-Identifier: Apache-2.0
//
// Mirror: one map of ours and its twin in the kernel.
//
// The kernel's programs see only the kernel's maps, so the two are made equal at the edges of a run: push() before it
// carries over what the host side changed, pull() after it what programs changed. That keeps the coherence contract for
// a device that works in batches; during a run the host sees the state from before it, except for ring and perf
// buffers, which drain() empties after every frame.
//
// Invariant: after pull(), both sides hold what `agreed_` says (KeyValueMirror).
//
// Tested by: tests/unit/linux_mirror_test.cc, tests/unit/linux_streams_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "exec/map.h"
#include "forager/result.h"
#include "jit-backends/linux/kernel.h"
#include "jit-backends/linux/snapshot.h"

namespace forager::jit::linux_kernel {

// How CPUs of the environment (lanes) stand for the kernel's. Programs run on one CPU, which is lane 0, as the lane of
// a single-threaded engine is; the CPU that has its number takes its place.
struct Lanes {
  unsigned host = 1;    // slots of our per-CPU values
  unsigned kernel = 1;  // slots of the kernel's
  unsigned pinned = 0;  // the kernel's CPU that programs run on
  [[nodiscard]] unsigned shared() const { return host < kernel ? host : kernel; }
  [[nodiscard]] unsigned cpu(unsigned lane) const { return lane == 0 ? pinned : lane == pinned ? 0 : lane; }
};

class Mirror {
 public:
  Mirror(std::shared_ptr<exec::Map> map, Fd fd) : map_(std::move(map)), fd_(std::move(fd)) {}
  virtual ~Mirror() = default;
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  [[nodiscard]] virtual Result<> push() = 0;
  virtual void drain() {}
  [[nodiscard]] virtual Result<> pull() { return {}; }
  // True if the host changed what programs have been loaded with as constants: everything must be made anew.
  [[nodiscard]] virtual bool stale() { return false; }

  [[nodiscard]] exec::Map& map() const { return *map_; }
  [[nodiscard]] const Fd& fd() const { return fd_; }
  void note_written() { written_ = true; }  // a loaded program may change it: pull() has work

 protected:
  [[nodiscard]] bool written() const { return written_; }

 private:
  std::shared_ptr<exec::Map> map_;
  Fd fd_;
  bool written_ = false;
};

// Arrays, hashes, tries, device maps: whatever has keys and values on both sides. Maps that programs may only read
// (BPF_F_RDONLY_PROG: .rodata) are frozen once filled, so that the kernel's verifier folds their constants, as it does
// for libbpf.
class KeyValueMirror final : public Mirror {
 public:
  // Called with every value before it goes to the kernel: device maps need their devices to exist.
  using Check = std::function<Result<>(std::span<const std::byte> value)>;

  KeyValueMirror(std::shared_ptr<exec::Map> map, Fd fd, Lanes lanes, Check check);
  [[nodiscard]] Result<> push() override;
  [[nodiscard]] Result<> pull() override;
  [[nodiscard]] bool stale() override;

 private:
  [[nodiscard]] Result<> check_values();

  std::unique_ptr<Side> host_;
  std::unique_ptr<Side> kernel_;
  Check check_;
  Snapshot agreed_;
  bool filled_ = false;
  bool frozen_ = false;
};

// PROG_ARRAY: loads what its slots name.
class ProgramArrayMirror final : public Mirror {
 public:
  using Loader = std::function<Result<std::shared_ptr<const Fd>>(const exec::ProgramSlot&)>;

  ProgramArrayMirror(std::shared_ptr<exec::Map> map, Fd fd, Loader loader);
  [[nodiscard]] Result<> push() override;

 private:
  struct Slot {
    std::shared_ptr<const verifier::VerifiedProgram> program;
    std::shared_ptr<const exec::MapList> maps;
    std::shared_ptr<const Fd> loaded;
  };
  [[nodiscard]] Result<> set(std::uint32_t index, const exec::ProgramSlot& wanted);

  Loader loader_;
  std::vector<Slot> slots_;
};

// The kernel's twin of `map`. Errors: unsupported map type; system.
struct MirrorContext {
  Lanes lanes;
  KeyValueMirror::Check device_check;
  ProgramArrayMirror::Loader loader;
};
[[nodiscard]] Result<std::unique_ptr<Mirror>> make_mirror(std::shared_ptr<exec::Map> map, const MirrorContext& context);
[[nodiscard]] bool can_mirror(isa::MapType type);

}  // namespace forager::jit::linux_kernel

// SPDX-License-Identifier: Apache-2.0
//
// Memory of the traced machine (kernel/trace/bpf_trace.c, mm/maccess.c). There is what the event brought along
// (exec::Task::memory), and, as kernel memory, what the program itself may read: its stack, map values, its context.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/task.h"

namespace forager::helpers {
namespace {

// x86-64: user space ends a page before the half of the addresses, and the kernel refuses a page more as its own.
constexpr u64 kUserEnd = (u64{1} << 47) - 4096;
constexpr u64 kKernelBegin = u64{0xffff} << 48 | u64{1} << 47;

enum class Space : std::uint8_t { kernel, user };

bool holds(const exec::TracedMemory& piece, Space space, u64 address) {
  return piece.user == (space == Space::user) && address - piece.address < piece.bytes.size();
}

class Reader {
 public:
  Reader(const RunContext& run, Space space) : run_(run), space_(space) {}

  // Pieces may join one another. 0, or what is wrong with the address; nothing can be read of every address that is
  // one of its space.
  [[nodiscard]] std::int64_t read(u64 address, std::span<std::byte> to) const {
    const bool own = space_ == Space::kernel && run_.memory != nullptr;
    if (own && run_.memory->read(address, to)) return 0;
    const bool there = to.empty() ? is_valid(address) : read_event(address, to);
    return there ? 0 : error_of(address);
  }

  // mm/maccess.c tells addresses that are none of the kernel's from those where nothing is.
  [[nodiscard]] std::int64_t error_of(u64 address) const {
    const bool kernels = address >= kKernelBegin || space_ == Space::user;
    return kernels ? -EFAULT : -ERANGE;
  }

 private:
  [[nodiscard]] bool is_valid(u64 address) const {
    return space_ == Space::user ? address <= kUserEnd : address >= kKernelBegin;
  }

  [[nodiscard]] bool read_event(u64 address, std::span<std::byte> to) const {
    if (run_.frame->task == nullptr) return false;
    const auto& pieces = run_.frame->task->memory;
    while (!to.empty()) {
      const auto piece = std::ranges::find_if(pieces, [&](const auto& p) { return holds(p, space_, address); });
      if (piece == pieces.end()) return false;
      const std::size_t from = address - piece->address;
      const std::size_t count = std::min(to.size(), piece->bytes.size() - from);
      std::copy_n(piece->bytes.begin() + static_cast<std::ptrdiff_t>(from), count, to.begin());
      address += count;
      to = to.subspan(count);
    }
    return true;
  }

  const RunContext& run_;
  Space space_;
};

// What cannot be read whole is zeros.
u64 copy(const RunContext& run, Space space, u64 to, u64 size, u64 from) {
  const std::span<std::byte> room(pointer<std::byte>(to), static_cast<std::uint32_t>(size));
  const Reader reader(run, space);
  const std::int64_t error = reader.read(from, room);
  if (error != 0) std::ranges::fill(room, std::byte{0});
  return result(error);
}

// strncpy_from_user() copies whole words where there is room for them, and clears what stands behind the text there.
void clear_word(std::span<std::byte> room, std::size_t end) {
  constexpr std::size_t kWord = 8;
  const std::size_t next = (end / kWord + 1) * kWord;
  if (next <= room.size()) std::ranges::fill(room.subspan(end, next - end), std::byte{0});
}

// The length with its zero; a text too long is cut, and ends with a zero.
u64 copy_text(const RunContext& run, Space space, u64 to, u64 size, u64 from) {
  const std::span<std::byte> room(pointer<std::byte>(to), static_cast<std::uint32_t>(size));
  const Reader reader(run, space);
  for (std::size_t i = 0; i < room.size(); ++i) {
    if (const std::int64_t error = reader.read(from + i, room.subspan(i, 1)); error != 0) {
      std::ranges::fill(room, std::byte{0});
      return result(error);
    }
    if (room[i] != std::byte{0}) continue;
    if (space == Space::user) clear_word(room, i);
    return i + 1;
  }
  if (!room.empty()) room.back() = std::byte{0};
  return room.size();
}

// bpf_probe_read of old: the address says whose memory is meant.
Space space_of(u64 address) { return address < kUserEnd ? Space::user : Space::kernel; }

using Copy = u64 (*)(const RunContext&, Space, u64, u64, u64);

// An address below kUserEnd may still be the program's own, whose addresses are the engine's.
u64 copy_from_either(RunContext& run, Copy copy, u64 to, u64 size, u64 from) {
  const Space space = space_of(from);
  const u64 first = copy(run, space, to, size, from);
  if (space == Space::kernel || static_cast<std::int64_t>(first) >= 0) return first;
  const u64 second = copy(run, Space::kernel, to, size, from);
  return static_cast<std::int64_t>(second) >= 0 ? second : first;
}

}  // namespace

u64 probe_read(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy_from_either(run, copy, to, size, from);
}
u64 probe_read_str(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy_from_either(run, copy_text, to, size, from);
}
u64 probe_read_kernel(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy(run, Space::kernel, to, size, from);
}
u64 probe_read_kernel_str(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy_text(run, Space::kernel, to, size, from);
}
u64 probe_read_user(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy(run, Space::user, to, size, from);
}
u64 probe_read_user_str(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy_text(run, Space::user, to, size, from);
}
u64 copy_from_user(RunContext& run, u64 to, u64 size, u64 from, u64, u64) {
  return copy(run, Space::user, to, size, from);
}

// The traced machine is not here to be written to: as Linux answers for a task that has no user memory.
u64 probe_write_user(RunContext&, u64, u64, u64, u64, u64) { return result(-EPERM); }

}  // namespace forager::helpers

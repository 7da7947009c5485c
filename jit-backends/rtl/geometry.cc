// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/geometry.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kIdentity = 0x46524752;
// Rows of a packet, a thread's stack, its scratch; of descriptors (hw/doc/device.md).
constexpr std::uint64_t kRowsOfPacket = 64, kRowsOfStack = 64, kRowsOfScratch = 32;
constexpr std::uint32_t kMostThreads = 16, kMostSlots = 1024;
constexpr std::uint64_t kMostRows = 1U << 22;  // that an address of the memory port can name

bool can_be(const Geometry& says) {
  return says.threads >= 2 && says.threads <= kMostThreads && says.slots >= 2 && says.slots <= kMostSlots &&
         says.stack_row >= says.slots * kRowsOfPacket &&
         says.scratch_row >= says.stack_row + says.threads * kRowsOfStack &&
         says.map_row >= says.scratch_row + says.threads * kRowsOfScratch + kMapsInTable &&
         std::uint64_t{says.map_row} + says.map_rows <= kMostRows && says.bundles <= kMostBundles;
}

}  // namespace

Result<Geometry> geometry_of(sim::Board& board) {
  Geometry says;
  std::uint32_t identity = 0;
  const std::pair<CoreRegister, std::uint32_t*> fields[] = {
      {CoreRegister::Id, &identity},
      {CoreRegister::Threads, &says.threads},
      {CoreRegister::Slots, &says.slots},
      {CoreRegister::StackRow, &says.stack_row},
      {CoreRegister::ScratchRow, &says.scratch_row},
      {CoreRegister::MapMemoryRow, &says.map_row},
      {CoreRegister::MapMemoryRows, &says.map_rows},
      {CoreRegister::Bundles, &says.bundles},
  };
  for (const auto& [which, to] : fields) {
    const auto value = board.read(offset_of(which));
    if (!value) return std::unexpected(value.error());
    *to = *value;
  }
  if (identity != kIdentity)
    return fail(ErrorKind::input, ENODEV, fmt::format("no forager device: it says {:#x}", identity));
  if (!can_be(says))
    return fail(
        ErrorKind::input, ENODEV,
        fmt::format("no forager device: it says {} threads, {} buffers, rows {}, {}, {} and {} more, {} bundles",
                    says.threads, says.slots, says.stack_row, says.scratch_row, says.map_row, says.map_rows,
                    says.bundles));
  return says;
}

}  // namespace forager::jit::rtl

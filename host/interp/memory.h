// SPDX-License-Identifier: Apache-2.0
//
// The memory a program sees.
//
// A program never holds a host address. Its pointers are 64-bit *guest addresses*: a region's number in the upper bits,
// an offset in the lower 40, where the region's first byte stands in the middle (kOrigin), half a terabyte from the
// next region on either side. So pointer arithmetic inside a region works as on real memory, no arithmetic error
// reaches another region unnoticed, and every access is one bounds check against one region.
//
//   region 0        nothing: null and every 32-bit number
//   fixed regions   context, stack frames, map objects and directly addressed map memory: for a device's life
//   transient ones  packet, map values, ring records: for one invocation (kTransient is set in the address)
//
// Invariants: lookups that find one map value give one guest address within an invocation, so their results compare
// equal; a region that dies (packet pointers after a helper moved the packet, submitted records) keeps its number and
// holds no byte any more.
//
// Tested by: tests/unit/interp_memory_test.cc, interp_access_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exec/environment.h"

namespace forager::interp {

using GuestAddress = std::uint64_t;

enum class RegionKind : std::uint8_t {
  nothing,
  context,
  stack,
  packet,
  memory,
  map,
  map_value,
  record,
  socket,
  object,  // of the kernel's: no bytes
  code,
};

struct Region {
  RegionKind kind = RegionKind::nothing;
  bool readable = false;
  bool writable = false;
  std::byte* base = nullptr;        // host address of offset 0
  std::uint8_t* written = nullptr;  // checked mode: one flag per byte from base; null = all hold defined values
  std::int64_t begin = 0;           // offsets [begin, end) exist
  std::int64_t end = 0;
  std::int64_t origin = 0;   // what people call offset 0: a packet's data, a stack's r10
  exec::Map* map = nullptr;  // map and map_value
  exec::Socket* socket = nullptr;
  const char* ended = nullptr;  // why a region that died did
};

enum class Use : std::uint8_t { read, write, read_write };

// What is wrong with an access.
enum class Fault : std::uint8_t { none, no_memory, context, ended, bounds, not_readable, not_writable, uninitialised };

struct Span {
  std::byte* host = nullptr;
  const Region* region = nullptr;
  std::int64_t offset = 0;
  Fault fault = Fault::none;
};

class Memory : public exec::ProgramMemory {
 public:
  static constexpr unsigned kOffsetBits = 40;
  static constexpr std::int64_t kOrigin = std::int64_t{1} << (kOffsetBits - 1);
  static constexpr std::uint64_t kTransient = std::uint64_t{1} << 22;  // of a region number
  static constexpr std::uint64_t kMaxTransient = kTransient;

  explicit Memory(bool checked) : checked_(checked) { fixed_.emplace_back(); }

  [[nodiscard]] bool checked() const { return checked_; }

  // Regions are numbered in the order of their making.
  std::uint32_t add_fixed(const Region& region);
  [[nodiscard]] Region& fixed(std::uint32_t number) { return fixed_[number]; }
  [[nodiscard]] static GuestAddress fixed_address(std::uint32_t number, std::int64_t offset = 0);
  [[nodiscard]] std::uint32_t fixed_count() const { return static_cast<std::uint32_t>(fixed_.size()); }
  // Forgets the fixed regions from this number on.
  void truncate_fixed(std::uint32_t number) { fixed_.resize(number); }

  // Forgets the transient regions: a new invocation begins.
  void reset();
  // Guest address of a new transient region; 0 when there are too many.
  GuestAddress add_transient(const Region& region);
  // Guest address of a map value, the same one each time within an invocation; 0 when there are too many.
  GuestAddress map_value(exec::Map& map, void* value);
  // The same of any host object, by its address.
  GuestAddress known(const void* host, const Region& region);
  // A transient region that is there.
  [[nodiscard]] Region& transient(GuestAddress address) {
    return transient_[static_cast<std::size_t>((address >> kOffsetBits) & (kTransient - 1))];
  }
  // The region of a guest address dies.
  void end(GuestAddress address, const char* why);

  [[nodiscard]] const Region& region(GuestAddress address) const;
  [[nodiscard]] static std::int64_t offset(GuestAddress address) {
    return static_cast<std::int64_t>(address & ((std::uint64_t{1} << kOffsetBits) - 1)) - kOrigin;
  }

  // Checks an access of `size` bytes and gives its host address.
  [[nodiscard]] Span access(GuestAddress address, std::uint64_t size, Use use) const {
    const Region& at = region(address);
    const std::int64_t from = offset(address);
    Span span{.region = &at, .offset = from};
    const bool inside = from >= at.begin && size <= kMaxAccess && from + static_cast<std::int64_t>(size) <= at.end;
    const bool allowed = (use == Use::write || at.readable) && (use == Use::read || at.writable);
    if (!inside || !allowed || (checked_ && at.written != nullptr)) span.fault = examine(span, size, use, inside);
    if (span.fault == Fault::none) span.host = at.base + from;
    return span;
  }

  // exec::ProgramMemory
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> to) const override;

 private:
  // No helper's memory is larger (BPF_MAX_VAR_SIZ).
  static constexpr std::uint64_t kMaxAccess = std::uint64_t{1} << 29;

  struct KnownValue {
    const void* host = nullptr;
    std::uint64_t invocation = 0;
    GuestAddress address = 0;
  };

  [[nodiscard]] Fault examine(const Span& span, std::uint64_t size, Use use, bool inside) const;
  [[nodiscard]] KnownValue& find_known(const void* host);
  void grow_known();

  bool checked_;
  std::vector<Region> fixed_;
  std::vector<Region> transient_;
  std::vector<KnownValue> known_ =
      std::vector<KnownValue>(64);  // open addressing; entries of other invocations are free
  std::size_t known_count_ = 0;
  std::uint64_t invocation_ = 1;
};

// Where a value of a map stands, with the rights that programs have there.
[[nodiscard]] Region map_value_region(exec::Map& map, void* base, std::int64_t size);

// "read of 4 bytes at offset 60 of the packet, which holds offsets 0 to 59"
[[nodiscard]] std::string describe(const Span& span, std::uint64_t size, Use use);
[[nodiscard]] std::string name_of(const Region& region);

}  // namespace forager::interp

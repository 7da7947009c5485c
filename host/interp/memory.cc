// SPDX-License-Identifier: Apache-2.0
#include "interp/memory.h"

#include <fmt/format.h>

#include <algorithm>

namespace forager::interp {
namespace {

GuestAddress address_of(std::uint64_t number, std::int64_t offset) {
  return (number << Memory::kOffsetBits) + static_cast<std::uint64_t>(Memory::kOrigin + offset);
}

// Linux makes device maps read-only for programs whatever their flags say (kernel/bpf/devmap.c).
bool program_may_write(const exec::Map& map) {
  constexpr std::uint32_t kReadOnlyProgram = 1U << 7;  // BPF_F_RDONLY_PROG
  const isa::MapType type = map.spec().type;
  if (type == isa::MapType::devmap || type == isa::MapType::devmap_hash) return false;
  return (map.spec().flags & kReadOnlyProgram) == 0;
}
bool program_may_read(const exec::Map& map) {
  constexpr std::uint32_t kWriteOnlyProgram = 1U << 8;  // BPF_F_WRONLY_PROG
  return (map.spec().flags & kWriteOnlyProgram) == 0;
}

}  // namespace

Region map_value_region(exec::Map& map, void* base, std::int64_t size) {
  return {.kind = RegionKind::map_value,
          .readable = program_may_read(map),
          .writable = program_may_write(map),
          .base = static_cast<std::byte*>(base),
          .end = size,
          .map = &map};
}

std::uint32_t Memory::add_fixed(const Region& region) {
  fixed_.push_back(region);
  return static_cast<std::uint32_t>(fixed_.size() - 1);
}

GuestAddress Memory::fixed_address(std::uint32_t number, std::int64_t offset) { return address_of(number, offset); }

void Memory::reset() {
  transient_.clear();
  known_count_ = 0;
  ++invocation_;
}

GuestAddress Memory::add_transient(const Region& region) {
  if (transient_.size() >= kMaxTransient) return 0;
  transient_.push_back(region);
  return address_of(kTransient | (transient_.size() - 1), 0);
}

GuestAddress Memory::map_value(exec::Map& map, void* value) {
  return known(value, map_value_region(map, value, map.spec().value_size));
}

GuestAddress Memory::known(const void* host, const Region& region) {
  if (2 * (known_count_ + 1) > known_.size()) grow_known();
  KnownValue& entry = find_known(host);
  if (entry.invocation == invocation_) return entry.address;
  const GuestAddress address = add_transient(region);
  if (address == 0) return 0;
  entry = {.host = host, .invocation = invocation_, .address = address};
  ++known_count_;
  return address;
}

void Memory::end(GuestAddress address, const char* why) {
  auto& region = const_cast<Region&>(this->region(address));
  region.begin = region.end = region.origin = 0;
  region.readable = region.writable = false;
  region.ended = why;
}

const Region& Memory::region(GuestAddress address) const {
  const std::uint64_t number = address >> kOffsetBits;
  const std::uint64_t index = number & (kTransient - 1);
  const std::vector<Region>& regions = (number & kTransient) != 0 ? transient_ : fixed_;
  return number < 2 * kTransient && index < regions.size() ? regions[index] : fixed_[0];
}

// The slow path of access(): which rule the access breaks, and in checked mode the record of what is initialised.
Fault Memory::examine(const Span& span, std::uint64_t size, Use use, bool inside) const {
  const Region& at = *span.region;
  if (at.kind == RegionKind::context) return Fault::context;
  if (at.kind == RegionKind::nothing || at.kind == RegionKind::code || at.kind == RegionKind::map ||
      at.kind == RegionKind::object) {
    return Fault::no_memory;
  }
  if (at.ended != nullptr) return Fault::ended;
  if (!inside) return Fault::bounds;
  if (use != Use::write && !at.readable) return Fault::not_readable;
  if (use != Use::read && !at.writable) return Fault::not_writable;
  const std::span<std::uint8_t> flags(at.written + span.offset, size);
  const auto is_set = [](std::uint8_t flag) { return flag != 0; };
  if (use != Use::write && !std::ranges::all_of(flags, is_set)) return Fault::uninitialised;
  if (use != Use::read) std::ranges::fill(flags, std::uint8_t{1});
  return Fault::none;
}

bool Memory::read(std::uint64_t address, std::span<std::byte> to) const {
  Span span = access(address, to.size(), Use::read);
  if (span.fault == Fault::context && span.region->base != nullptr && span.offset >= 0 &&
      span.offset + static_cast<std::int64_t>(to.size()) <= span.region->end) {
    span = {.host = span.region->base + span.offset, .fault = Fault::none};
  }
  if (span.fault == Fault::none) std::copy_n(span.host, to.size(), to.begin());
  return span.fault == Fault::none;
}

Memory::KnownValue& Memory::find_known(const void* host) {
  const std::size_t mask = known_.size() - 1;
  std::size_t at = (reinterpret_cast<std::uintptr_t>(host) >> 3) * 0x9e3779b97f4a7c15 >> 32 & mask;
  while (known_[at].invocation == invocation_ && known_[at].host != host) at = (at + 1) & mask;
  return known_[at];
}

void Memory::grow_known() {
  std::vector<KnownValue> old(known_.size() * 2);
  old.swap(known_);
  for (const KnownValue& entry : old) {
    if (entry.invocation == invocation_) find_known(entry.host) = entry;
  }
}

std::string name_of(const Region& region) {
  switch (region.kind) {
    case RegionKind::nothing:
      return "no memory";
    case RegionKind::context:
      return "the context";
    case RegionKind::stack:
      return "the stack";
    case RegionKind::packet:
      return "the packet";
    case RegionKind::memory:
      return "the memory";
    case RegionKind::map:
      return fmt::format("the object of map {}", region.map->spec().name);
    case RegionKind::map_value:
      return fmt::format("a value of map {}", region.map->spec().name);
    case RegionKind::record:
      return "a ring-buffer record";
    case RegionKind::socket:
      return "a socket";
    case RegionKind::object:
      return "a kernel object";
    case RegionKind::code:
      return "a function";
  }
  return {};
}

std::string describe(const Span& span, std::uint64_t size, Use use) {
  static constexpr const char* kUses[] = {"read", "write", "atomic operation"};
  const Region& at = *span.region;
  const std::string what = fmt::format("{} of {} bytes", kUses[static_cast<unsigned>(use)], size);
  const std::string where = fmt::format("offset {} of {}", span.offset - at.origin, name_of(at));
  switch (span.fault) {
    case Fault::none:
      return fmt::format("{} at {}", what, where);
    case Fault::no_memory:
      if (at.kind == RegionKind::nothing) return fmt::format("{} through what is no pointer to memory", what);
      return fmt::format("{} at {}, which has no bytes", what, where);
    case Fault::context:
      return fmt::format("{} at {}, which has no field for it", what, where);
    case Fault::ended:
      return fmt::format("{} through a pointer to {}: {}", what, name_of(at), at.ended);
    case Fault::bounds:
      if (at.begin == at.end) return fmt::format("{} at {}, which has no bytes", what, where);
      return fmt::format("{} at {}, which has offsets {} to {}", what, where, at.begin - at.origin,
                         at.end - at.origin - 1);
    case Fault::not_readable:
      return fmt::format("{} at {}, which programs may not read", what, where);
    case Fault::not_writable:
      return fmt::format("{} at {}, which programs may not write", what, where);
    case Fault::uninitialised:
      return fmt::format("{} at {}, not all of which was written before", what, where);
  }
  return {};
}

}  // namespace forager::interp

// SPDX-License-Identifier: Apache-2.0
//
// The frame as the program sees it: fields of the context, and the packet.
//
// Which accesses of a context exist is the tables' business (isa::check_access); here is what they yield. Scalars stand
// in frame.context in uapi layout, packet pointers are made from the frame.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "interp/machine.h"

namespace forager::interp {
namespace {

std::uint64_t extend(std::uint64_t value, std::uint32_t size, bool sign) {
  if (!sign || size == 8) return value;
  const unsigned unused = 64 - 8 * size;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

}  // namespace

bool Machine::load_context(const Step& s, const Span& span, std::uint32_t size, bool sign) {
  const program::Source& program = unit_->program().source();
  const auto offset = static_cast<std::uint32_t>(span.offset);
  const isa::ContextField* field = isa::check_access(
      {.type = program.type, .attach_type = program.attach_type, .offset = offset, .bytes = size, .store = false});
  if (field == nullptr) return stop(span, size, Use::read);
  const exec::Frame& frame = *run_.frame;
  std::uint64_t value = 0;
  switch (field->kind) {
    case isa::FieldKind::packet:
      value = packet_ + frame.data();
      break;
    case isa::FieldKind::packet_end:
      value = packet_ + frame.data_end();
      break;
    case isa::FieldKind::packet_meta:
      value = packet_ + frame.data_meta();
      break;
    case isa::FieldKind::scalar:
      if (offset + size > frame.context.size()) return stop(span, size, Use::read);
      std::memcpy(&value, frame.context.data() + offset, size);
      value = extend(value, size, sign);
      break;
    default:
      return stop(ErrorKind::unsupported, EOPNOTSUPP,
                  fmt::format("field {} of the context, which is a pointer to a kernel object", field->name));
  }
  r_[s.dst] = value;
  return true;
}

bool Machine::store_context(const Step&, const Span& span, std::uint32_t size, std::uint64_t value) {
  const program::Source& program = unit_->program().source();
  const auto offset = static_cast<std::uint32_t>(span.offset);
  const isa::ContextField* field = isa::check_access(
      {.type = program.type, .attach_type = program.attach_type, .offset = offset, .bytes = size, .store = true});
  exec::Frame& frame = *run_.frame;
  if (field == nullptr || field->kind != isa::FieldKind::scalar || offset + size > frame.context.size()) {
    return stop(span, size, Use::write);
  }
  std::memcpy(frame.context.data() + offset, &value, size);
  return true;
}

void Machine::start_packet() {
  const exec::Frame& frame = *run_.frame;
  if (checked_) {
    packet_written_.assign(frame.capacity(), 0);
    std::fill(packet_written_.begin() + frame.data_meta(), packet_written_.begin() + frame.data_end(), 1);
  }
  add_packet();
}

void Machine::add_packet() {
  exec::Frame& frame = *run_.frame;
  const bool raw = units_.loaded()->program().type() == isa::ProgType::raw_memory;
  packet_ = memory_.add_transient({.kind = raw ? RegionKind::memory : RegionKind::packet,
                                   .readable = true,
                                   .writable = true,
                                   .base = frame.buffer(),
                                   .written = checked_ ? packet_written_.data() : nullptr,
                                   .begin = frame.data_meta(),
                                   .end = frame.data_end(),
                                   .origin = frame.data()});
}

// A helper may have moved the packet's edges: the packet becomes a new region, since pointers from before are invalid.
// A grown tail holds zeros, metadata keeps its bytes, and what lies before both is as it was.
bool Machine::move_packet(const Edges& old) {
  const Edges now = edges();
  if (checked_) {
    const auto flags = packet_written_.begin();
    if (now.data != old.data) {
      const std::vector<std::uint8_t> metadata(flags + old.meta, flags + old.data);
      std::ranges::copy(metadata, flags + now.meta);
    }
    if (now.end > old.end) std::fill(flags + old.end, flags + now.end, 1);
  }
  memory_.end(packet_, "a helper that moves the packet was called since");
  add_packet();
  return packet_ != 0 || stop(ErrorKind::limit, E2BIG, "too many map values, records and moves of the packet in use");
}

Machine::Edges Machine::edges() const {
  const exec::Frame& frame = *run_.frame;
  return {.meta = frame.data_meta(), .data = frame.data(), .end = frame.data_end()};
}

}  // namespace forager::interp

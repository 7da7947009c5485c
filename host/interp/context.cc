// SPDX-License-Identifier: Apache-2.0
//
// The frame as the program sees it: fields of the context, and the packet.
//
// Which accesses of a context exist is the tables' business (isa::check_access); here is what they yield. Scalars stand
// in frame.context in uapi layout, packet pointers are made from the frame. Contexts too long for that (a tracepoint's
// record, the memory of a SYSCALL program) are the frame's packet bytes, and have no byte behind these.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "exec/invocation.h"
#include "exec/skb.h"
#include "interp/machine.h"

namespace forager::interp {
namespace {

// The field that a load or a store touches; null if the program may not.
const isa::ContextField* field_at(const program::Program& program, std::uint32_t offset, std::uint32_t size,
                                  bool store) {
  return isa::check_access({.type = program.type(),
                            .attach_type = program.source().attach_type,
                            .offset = offset,
                            .bytes = size,
                            .store = store,
                            .context = program.context()});
}

std::uint64_t extend(std::uint64_t value, std::uint32_t size, bool sign) {
  if (!sign || size == 8) return value;
  const unsigned unused = 64 - 8 * size;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

}  // namespace

// Programs that see the kernel's own structure as their context may read it by address too (bpf_probe_read_kernel).
void Machine::show_context(const isa::ProgTypeRow& type) {
  using isa::ProgType;
  constexpr ProgType kAsItIs[] = {ProgType::kprobe, ProgType::tracepoint, ProgType::raw_tracepoint,
                                  ProgType::raw_tracepoint_writable, ProgType::syscall};
  exec::Frame& frame = *run_.frame;
  const bool fits = type.context->size <= frame.context.size();
  context_ = fits ? std::span<std::byte>(frame.context).first(type.context->size) : frame.packet();
  Region& region = memory_.fixed(context_region_);
  region.base = std::ranges::find(kAsItIs, type.type) != std::end(kAsItIs) ? context_.data() : nullptr;
  region.end = region.base != nullptr ? std::ssize(context_) : type.context->size;
}

bool Machine::load_context(const Step& s, const Span& span, std::uint32_t size, bool sign) {
  const auto offset = static_cast<std::uint32_t>(span.offset);
  const isa::ContextField* field = field_at(unit_->program(), offset, size, false);
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
      if (offset + size > context_.size()) return stop(span, size, Use::read);
      std::memcpy(&value, context_.data() + offset, size);
      value = extend(value, size, sign);
      break;
    case isa::FieldKind::socket:
    case isa::FieldKind::socket_or_null:
    case isa::FieldKind::socket_common_or_null:
      if (frame.socket == nullptr) break;
      value = memory_.known(frame.socket.get(), {.kind = RegionKind::socket,
                                                 .readable = true,
                                                 .base = frame.socket->view.data(),
                                                 .end = exec::Socket::kViewBytes,
                                                 .socket = frame.socket.get()});
      break;
    case isa::FieldKind::iter_meta:
    case isa::FieldKind::kernel_map:
    case isa::FieldKind::kernel_map_or_null:
    case isa::FieldKind::key_or_null:
    case isa::FieldKind::value_or_null:
      value = shown(field->kind);
      break;
    default:
      return stop(ErrorKind::unsupported, EOPNOTSUPP,
                  fmt::format("field {} of the context, which is a pointer to a kernel object", field->name));
  }
  r_[s.dst] = value;
  return true;
}

bool Machine::store_context(const Step&, const Span& span, std::uint32_t size, std::uint64_t value) {
  const auto offset = static_cast<std::uint32_t>(span.offset);
  const isa::ContextField* field = field_at(unit_->program(), offset, size, true);
  if (field == nullptr || field->kind != isa::FieldKind::scalar || offset + size > context_.size()) {
    return stop(span, size, Use::write);
  }
  std::memcpy(context_.data() + offset, &value, size);
  if (run_.frame->skb != nullptr) exec::settle_skb_store(*run_.frame, offset);
  return true;
}

// Where the packet has no such bytes, the function ends and returns 0 (kernel/bpf/core.c).
bool Machine::load_packet(const Step& s, std::uint32_t size, std::uint64_t index) {
  std::fill_n(r_.begin() + 1, 5, 0);
  const auto loaded = exec::load_packet(*run_.frame, static_cast<std::uint32_t>(s.imm + index), size);
  r_[0] = loaded.value_or(0);
  return loaded ? true : exit(s);
}

void Machine::start_packet() {
  const exec::Frame& frame = *run_.frame;
  if (checked_) {
    packet_written_.assign(frame.capacity(), 0);
    std::fill(packet_written_.begin() + frame.data_meta(), packet_written_.begin() + frame.packet_end(), 1);
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
// A grown tail holds zeros, metadata keeps its bytes, and what lies before both is as it was. Socket buffers, which may
// have got another buffer, have zeros or headers wherever they grew.
bool Machine::move_packet(const Edges& old) {
  const Edges now = edges();
  if (checked_ && run_.frame->skb != nullptr) {
    packet_written_.assign(run_.frame->capacity(), 1);
  } else if (checked_) {
    const auto flags = packet_written_.begin();
    if (now.data != old.data) {
      const std::vector<std::uint8_t> metadata(flags + old.meta, flags + old.data);
      std::ranges::copy(metadata, flags + now.meta);
    }
    if (now.end > old.end) std::fill(flags + old.end, flags + now.end, 1);
  }
  memory_.end(packet_, "a helper that moves the packet was called since");
  add_packet();
  return packet_ != 0 || stop_for_regions();
}

Machine::Edges Machine::edges() const {
  const exec::Frame& frame = *run_.frame;
  return {.meta = frame.data_meta(), .data = frame.data(), .end = frame.packet_end()};
}

}  // namespace forager::interp

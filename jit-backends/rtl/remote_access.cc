// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/remote_access.h"

#include <bit>
#include <cstring>

#include "interp/access.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

using interp::Use;

unsigned function_of(CoreOp op) { return static_cast<unsigned>(op) & 0xf; }

std::uint64_t sign_extended(std::uint64_t value, unsigned bytes) {
  const unsigned unused = 64 - 8 * bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

template <class T>
std::uint64_t update(const RemoteAccess& access, std::byte* at, std::uint64_t value, std::uint64_t compared) {
  const T operand = static_cast<T>(value), expected = static_cast<T>(compared);
  return interp::modify<T, true>(at, [&](T old) -> T {
    switch (without_fetch(access.op)) {
      case CoreOp::AtomicAdd:
        return old + operand;
      case CoreOp::AtomicOr:
        return old | operand;
      case CoreOp::AtomicAnd:
        return old & operand;
      case CoreOp::AtomicXor:
        return old ^ operand;
      case CoreOp::AtomicCmpxchg:
        return old == expected ? operand : old;
      default:
        return operand;
    }
  });
}

template <class T>
std::uint64_t move(const RemoteAccess& access, std::byte* at, std::uint64_t value) {
  const auto turned = [&](T raw) { return access.swapped ? std::byteswap(raw) : raw; };
  if (access.use == Use::write) {
    interp::store<T>(at, turned(static_cast<T>(value)));
    return 0;
  }
  const std::uint64_t loaded = turned(interp::load<T>(at));
  return access.is_signed ? sign_extended(loaded, sizeof(T)) : loaded;
}

// The compiler's own: of six copied bytes.
std::uint64_t move_six(const RemoteAccess& access, std::byte* at, std::uint64_t value) {
  constexpr std::size_t kSix = 6;
  if (access.use == Use::write) {
    std::memcpy(at, &value, kSix);
    return 0;
  }
  std::uint64_t loaded = 0;
  std::memcpy(&loaded, at, kSix);
  return loaded;
}

}  // namespace

RemoteAccess remote_access(const Slot& slot) {
  const unsigned function = function_of(slot.op);
  if (class_of(slot.op) == CoreClass::Atomic) {
    const unsigned bytes = slot.op == CoreOp::AtomicCount ? 16 : slot.wide ? 8 : 4;
    return {.op = slot.op, .bytes = bytes, .use = Use::read_write, .atomic = true};
  }
  return {.op = slot.op,
          .bytes = bytes_of(slot.op),
          .use = class_of(slot.op) == CoreClass::Store ? Use::write : Use::read,
          .is_signed = (function & kSigned) != 0 && (function & kSixBytes) != kSixBytes,
          .swapped = (function & kSwapped) != 0};
}

std::uint64_t perform(const RemoteAccess& access, std::byte* at, std::uint64_t value, std::uint64_t compared) {
  if (access.op == CoreOp::AtomicCount) {
    update<std::uint64_t>({.op = CoreOp::AtomicAdd}, at, 1, 0);
    return update<std::uint64_t>({.op = CoreOp::AtomicAdd}, at + sizeof value, value, 0);
  }
  if (access.atomic) {
    return access.bytes == 8 ? update<std::uint64_t>(access, at, value, compared)
                             : update<std::uint32_t>(access, at, value, compared);
  }
  switch (access.bytes) {
    case 1:
      return move<std::uint8_t>(access, at, value);
    case 2:
      return move<std::uint16_t>(access, at, value);
    case 4:
      return move<std::uint32_t>(access, at, value);
    case 6:
      return move_six(access, at, value);
    default:
      return move<std::uint64_t>(access, at, value);
  }
}

}  // namespace forager::jit::rtl

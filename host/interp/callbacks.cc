// SPDX-License-Identifier: Apache-2.0
//
// Functions of the program that helpers call (bpf_loop, bpf_for_each_map_elem, ...), and those that run by themselves
// (timers).
//
// A callback runs in the middle of its helper's instruction, in a call frame of its own, until it exits; then the
// machine stands again where it was. It shares the invocation's budget, memory and tail-call count.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "interp/machine.h"

namespace forager::interp {
namespace {

constexpr RegisterSet bit(unsigned number) { return static_cast<RegisterSet>(1U << number); }

}  // namespace

bool Machine::pass_callback(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  const std::int64_t offset = Memory::offset(value);
  const bool mine = value - static_cast<std::uint64_t>(offset) == Memory::fixed_address(unit_->code_region);
  if (mine && offset >= 0 && offset < static_cast<std::int64_t>(unit_->steps.size())) return true;
  return bad_argument(call, index, "a function of the program");
}

// What a callback finds in a register. Memory that is lent for one call is no memory afterwards; map values stay.
std::uint64_t Machine::guest_of(const exec::CallbackArgument& argument, std::vector<GuestAddress>& lent) {
  using Kind = exec::CallbackArgument::Kind;
  auto* host = reinterpret_cast<std::byte*>(argument.value);
  auto* map = const_cast<exec::Map*>(argument.map);
  if (argument.kind == Kind::number) return argument.value;
  if (argument.kind == Kind::map) return memory_.known(map, {.kind = RegionKind::map, .map = map});
  if (map != nullptr) return memory_.map_value(*map, host);
  const bool dynptr = argument.kind == Kind::dynptr;
  const GuestAddress address =
      memory_.add_transient({.kind = RegionKind::memory,
                             .readable = true,
                             .writable = argument.writable && !dynptr,
                             .base = host,
                             .end = static_cast<std::int64_t>(dynptr ? sizeof(exec::Dynptr) : argument.size)});
  if (address != 0) lent.push_back(address);
  return address;
}

bool Machine::pass_to_callback(std::span<const exec::CallbackArgument> arguments, std::vector<GuestAddress>& lent) {
  r_ = {};
  defined_ = 0;
  for (unsigned i = 0; i < arguments.size(); ++i) {
    r_[i + 1] = guest_of(arguments[i], lent);
    defined_ |= bit(i + 1);
    if (r_[i + 1] == 0 && arguments[i].kind != exec::CallbackArgument::Kind::number) return stop_for_regions();
  }
  return true;
}

std::optional<std::uint64_t> Machine::call(std::uint64_t function, std::span<const exec::CallbackArgument> arguments) {
  if (depth_ + 1 == isa::kMaxCallFrames) {
    std::ignore = stop(ErrorKind::limit, E2BIG, "calls nest too deep, in frames");
    trap_->limit = isa::kMaxCallFrames;
    return std::nullopt;
  }
  const auto registers = r_;
  const Caller here{.unit = unit_, .next = next_, .saved = {}, .defined = defined_};
  const std::uint32_t at = at_;
  const unsigned base = base_;
  const Assertions::State watched = assertions_.suspend();
  std::vector<GuestAddress> lent;

  if (!pass_to_callback(arguments, lent)) return std::nullopt;
  base_ = ++depth_;
  next_ = static_cast<std::uint32_t>(Memory::offset(function));
  enter_stack();
  execute_checked();
  if (trap_ != nullptr) return std::nullopt;
  const std::uint64_t result = r_[0];

  for (const GuestAddress address : lent) memory_.end(address, "the callback that it was lent to has returned");
  assertions_.resume(watched);
  base_ = base;
  --depth_;
  enter_unit(*here.unit, here.next);
  at_ = at;
  r_ = registers;
  defined_ = here.defined;
  return result;
}

exec::TimerCallback Machine::keep(std::uint64_t function) const {
  const auto index = static_cast<std::uint32_t>(Memory::offset(function));
  return {.program = unit_->verified, .maps = std::make_shared<const exec::MapList>(unit_->maps), .function = index};
}

Result<> Machine::run_async(const exec::AsyncCall& call) {
  if (call.function >= units_.loaded()->steps.size() || call.map == nullptr || call.value == nullptr) {
    return fail(ErrorKind::input, EINVAL, fmt::format("no callback at instruction {}", call.function));
  }
  exec::Frame frame;
  start(frame);
  std::vector<std::byte> key(call.map->spec().key_size);
  std::copy_n(static_cast<const std::byte*>(call.key), key.size(), key.begin());
  r_[1] = memory_.known(call.map.get(), {.kind = RegionKind::map, .map = call.map.get()});
  r_[2] = memory_.add_transient(
      {.kind = RegionKind::memory, .readable = true, .base = key.data(), .end = static_cast<std::int64_t>(key.size())});
  r_[3] = memory_.map_value(*call.map, call.value);
  defined_ = bit(1) | bit(2) | bit(3);
  next_ = call.function;
  enter_stack();
  execute_checked();
  finish();
  if (frame.results().trap == nullptr) return {};
  return std::unexpected(std::move(*frame.change_results().trap));
}

}  // namespace forager::interp

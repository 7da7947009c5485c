// SPDX-License-Identifier: Apache-2.0
//
// Helper calls and tail calls.
//
// A helper's row in helpers.def says what each argument is; here each kind is checked and turned into the host value
// that the helper function takes (exec/environment.h), and the result is turned back. So a helper needs nothing here
// beyond its row.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "interp/machine.h"

namespace forager::interp {

using isa::Arg;
using isa::Ret;

bool Machine::call_helper(const Step& s) {
  const HelperCall& helper = unit_->calls[s.imm];
  if (helper.is_tail_call) return tail_call();
  if (helper.function == nullptr) {
    return stop(ErrorKind::unsupported, EOPNOTSUPP,
                helper.row == nullptr ? std::string("a helper without a number of Linux's")
                                      : fmt::format("helper bpf_{} is not built", helper.row->name));
  }
  Call call{.helper = helper};
  for (unsigned i = 0; i < call.host.size(); ++i) {
    if (!pass(call, i)) return false;
  }
  return invoke(call);
}

// Who holds a spin lock calls nothing: the helper may want the same lock, or call back.
bool Machine::invoke(Call& call) {
  const bool unlocks = call.helper.row->id == static_cast<std::uint32_t>(exec::HelperId::spin_unlock);
  if (run_.spin_lock != nullptr && !unlocks) {
    return stop(ErrorKind::rejected, EINVAL,
                fmt::format("bpf_{} is called while the program holds a spin lock", call.helper.row->name));
  }
  const Edges before = edges();
  const auto& [a, b, c, d, e] = call.host;
  const std::uint64_t value = call.helper.function(run_, a, b, c, d, e);
  if (trap_ != nullptr) return false;  // a callback was stopped
  if (run_.fault != nullptr) return stop(ErrorKind::rejected, EINVAL, std::exchange(run_.fault, nullptr));
  if (call.helper.row->changes_packet && !move_packet(before)) return false;
  if (call.ends != 0) memory_.end(call.ends, "it was submitted, discarded or released");
  if (call.ends_dynptr) end_slices();
  std::fill_n(r_.begin() + 1, 5, 0);
  return give_result(call, value);
}

bool Machine::give_result(const Call& call, std::uint64_t value) {
  r_[0] = value;
  switch (call.helper.row->returns) {
    case Ret::integer:
      return true;
    case Ret::nothing:
      r_[0] = 0;
      return true;
    case Ret::map_value:
    case Ret::map_value_or_null:
      if (value != 0) r_[0] = give_map_value(call, value);
      break;
    case Ret::socket_or_null:
    case Ret::socket_common_or_null:
      if (value != 0) r_[0] = lend_socket(*reinterpret_cast<exec::Socket*>(value));
      break;
    case Ret::tcp_socket_or_null:
      if (value != 0) {
        auto& tcp = reinterpret_cast<exec::Socket*>(value)->tcp;
        r_[0] = memory_.known(
            tcp.data(),
            {.kind = RegionKind::socket, .readable = true, .base = tcp.data(), .end = exec::Socket::kTcpBytes});
      }
      break;
    case Ret::dynptr_slice_or_null:
      if (value != 0) r_[0] = give_slice(call, reinterpret_cast<std::byte*>(value));
      break;
    case Ret::record_or_null:
      if (value != 0) {
        r_[0] = memory_.add_transient({.kind = RegionKind::record,
                                       .readable = true,
                                       .writable = true,
                                       .base = reinterpret_cast<std::byte*>(value),
                                       .end = static_cast<std::int64_t>(call.record_size)});
      }
      break;
    default:
      return stop(ErrorKind::bug, EINVAL, fmt::format("the result of bpf_{} cannot be passed", call.helper.row->name));
  }
  return value == 0 || r_[0] != 0 || stop_for_regions();
}

// What a lookup gives: of a map of maps a map, of a map of sockets a socket, else a value.
std::uint64_t Machine::give_map_value(const Call& call, std::uint64_t value) {
  const exec::MapAbilities& able = call.map->abilities();
  if (able.maps != nullptr) {
    auto* inner = reinterpret_cast<exec::Map*>(value);
    return memory_.known(inner, {.kind = RegionKind::map, .map = inner});
  }
  if (able.sockets != nullptr) return lend_socket(*reinterpret_cast<exec::Socket*>(value));
  return memory_.map_value(*call.map, reinterpret_cast<void*>(value));
}

// Each time a region of its own: releasing one reference leaves the pointers of another alone.
GuestAddress Machine::lend_socket(exec::Socket& socket) {
  return memory_.add_transient({.kind = RegionKind::socket,
                                .readable = true,
                                .base = socket.view.data(),
                                .end = exec::Socket::kViewBytes,
                                .socket = &socket});
}

// A piece of a dynptr's memory; it ends with the dynptr.
std::uint64_t Machine::give_slice(const Call& call, std::byte* slice) {
  const GuestAddress address = memory_.add_transient({.kind = RegionKind::memory,
                                                      .readable = true,
                                                      .writable = true,
                                                      .base = slice,
                                                      .end = static_cast<std::int64_t>(call.record_size)});
  exec::Dynptr dynptr;
  std::memcpy(&dynptr, reinterpret_cast<const void*>(call.host[0]), sizeof(dynptr));
  if (dynptr.entry != 0 && address != 0) slices_.push_back({.entry = dynptr.entry, .address = address});
  return address;
}

void Machine::end_slices() {
  const auto& entries = run_.dynptrs.entries();
  std::erase_if(slices_, [&](const Slice& slice) {
    if (slice.entry <= entries.size() && !entries[slice.entry - 1].ended) return false;
    memory_.end(slice.address, "its dynptr was submitted or discarded");
    return true;
  });
}

// ---- arguments ----

bool Machine::pass(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  call.host[index] = value;
  switch (call.helper.args[index]) {
    case Arg::none:
    case Arg::anything:
    case Arg::const_size:
    case Arg::const_size_or_zero:
      return true;
    case Arg::const_map:
      return pass_map(call, index);
    case Arg::map_key:
      return pass_memory(call, index, call.map->spec().key_size, Use::read);
    case Arg::map_value_or_null:
      if (value == 0) return true;
      [[fallthrough]];
    case Arg::map_value:
      return pass_value(call, index);
    case Arg::map_value_uninit:
      return pass_memory(call, index, call.map->spec().value_size, Use::write);
    case Arg::mem_update:
      return pass_sized(call, index, Use::read_write);
    case Arg::mem_out_or_null:
      if (value == 0 && r_[index + 2] == 0) return true;
      [[fallthrough]];
    case Arg::mem_out:
      return pass_sized(call, index, Use::write);
    case Arg::mem_or_null:
      if (value == 0 && r_[index + 2] == 0) return true;
      [[fallthrough]];
    case Arg::mem:
      return pass_sized(call, index, Use::read);
    case Arg::mem_uninit:
      return pass_sized(call, index, Use::write);
    case Arg::long_out:
      return pass_memory(call, index, 8, Use::write);
    case Arg::int_out:
      return pass_memory(call, index, 4, Use::read_write);
    case Arg::const_alloc_size:
      call.record_size = value;
      return true;
    case Arg::alloc_mem:
      return pass_record(call, index);
    case Arg::const_string:
      return pass_string(call, index);
    case Arg::seq_file:
      return pass_seq_file(call, index);
    case Arg::ctx_or_null:
      if (value == 0) return true;
      [[fallthrough]];
    case Arg::ctx:
      return pass_context(call, index);
    case Arg::callback:
      return pass_callback(call, index);
    case Arg::stack_or_null:
      return true;
    case Arg::spin_lock:
      return pass_value_field(call, index, 4);
    case Arg::timer:
      return pass_value_field(call, index, 16);
    case Arg::dynptr:
      call.ends_dynptr = call.helper.row->returns == Ret::nothing;
      return pass_dynptr(call, index);
    case Arg::dynptr_uninit:
      return pass_memory(call, index, sizeof(exec::Dynptr), Use::write);
    case Arg::ipv4_header:
    case Arg::tcp_header:
      return pass_memory(call, index, 20, Use::read);
    case Arg::ipv6_header:
      return pass_memory(call, index, 40, Use::read);
    case Arg::socket_or_null:
      if (value == 0) return true;
      [[fallthrough]];
    case Arg::socket:
    case Arg::socket_common:
      return pass_socket(call, index);
    default:
      return stop(ErrorKind::bug, EINVAL,
                  fmt::format("argument {} of bpf_{} cannot be passed", index + 1, call.helper.row->name));
  }
}

bool Machine::bad_argument(const Call& call, unsigned index, std::string_view expected) {
  return stop(ErrorKind::rejected, EACCES,
              fmt::format("argument {} of bpf_{} is {}, expected {}", index + 1, call.helper.row->name,
                          name_of(memory_.region(r_[index + 1])), expected));
}

bool Machine::pass_map(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  const Region& region = memory_.region(value);
  if (region.kind != RegionKind::map || Memory::offset(value) != 0) return bad_argument(call, index, "a map");
  const auto type = static_cast<std::uint32_t>(region.map->spec().type);
  if ((call.helper.row->map_types >> type & 1) == 0) {
    return stop(ErrorKind::rejected, EINVAL,
                fmt::format("bpf_{} does not take map {}: its type is {}", call.helper.row->name,
                            region.map->spec().name, isa::find_map(type)->name));
  }
  call.map = region.map;
  call.host[index] = reinterpret_cast<std::uint64_t>(region.map);
  return true;
}

bool Machine::pass_context(Call& call, unsigned index) {
  if (r_[index + 1] != Memory::fixed_address(context_region_)) return bad_argument(call, index, "the context");
  call.host[index] = reinterpret_cast<std::uint64_t>(run_.frame);
  return true;
}

bool Machine::pass_memory(Call& call, unsigned index, std::uint64_t size, Use use) {
  const Span span = memory_.access(r_[index + 1], size, use);
  if (span.fault != Fault::none) {
    return stop(ErrorKind::rejected, EACCES,
                fmt::format("argument {} of bpf_{}: {}", index + 1, call.helper.row->name, describe(span, size, use)));
  }
  call.host[index] = reinterpret_cast<std::uint64_t>(span.host);
  return true;
}

// Memory whose size the next argument says.
bool Machine::pass_sized(Call& call, unsigned index, Use use) {
  const std::uint64_t size = r_[index + 2];
  if (size == 0 && call.helper.args[index + 1] == Arg::const_size) {
    return stop(ErrorKind::rejected, EACCES,
                fmt::format("argument {} of bpf_{} is 0, expected a size", index + 2, call.helper.row->name));
  }
  return pass_memory(call, index, size, use);
}

bool Machine::pass_record(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  const Region& region = memory_.region(value);
  if (region.kind != RegionKind::record || region.ended != nullptr || Memory::offset(value) != 0) {
    return bad_argument(call, index, "an open ring-buffer record");
  }
  call.ends = value;
  call.host[index] = reinterpret_cast<std::uint64_t>(region.base);
  return true;
}

bool Machine::pass_string(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  const Region& region = memory_.region(value);
  if (region.kind != RegionKind::map_value) return bad_argument(call, index, "a string in a map");
  const std::int64_t left = region.end - Memory::offset(value);
  if (!pass_memory(call, index, static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1)), Use::read)) return false;
  const auto* text = reinterpret_cast<const std::byte*>(call.host[index]);
  return std::find(text, text + left, std::byte{0}) != text + left ||
         bad_argument(call, index, "a string that ends with a zero byte");
}

// A lock or a timer in a map value, which no program may touch itself.
bool Machine::pass_value_field(Call& call, unsigned index, std::uint64_t size) {
  const Region& region = memory_.region(r_[index + 1]);
  if (region.kind != RegionKind::map_value) return bad_argument(call, index, "a field of a map value");
  return pass_memory(call, index, size, Use::read_write);
}

bool Machine::pass_socket(Call& call, unsigned index) {
  const std::uint64_t value = r_[index + 1];
  const Region& region = memory_.region(value);
  const bool socket = region.kind == RegionKind::socket && region.socket != nullptr && region.ended == nullptr;
  if (!socket || Memory::offset(value) != 0) return bad_argument(call, index, "a socket");
  call.host[index] = reinterpret_cast<std::uint64_t>(region.socket);
  if (call.helper.row->id == static_cast<std::uint32_t>(exec::HelperId::sk_release)) call.ends = value;
  return true;
}

// A map of sockets takes the view of one, as helpers get it from compiled programs too.
bool Machine::pass_value(Call& call, unsigned index) {
  if (call.map->abilities().sockets == nullptr) {
    return pass_memory(call, index, call.map->spec().value_size, Use::read);
  }
  if (!pass_socket(call, index)) return false;
  call.host[index] = reinterpret_cast<std::uint64_t>(memory_.region(r_[index + 1]).socket->view.data());
  return true;
}

bool Machine::pass_dynptr(Call& call, unsigned index) {
  return pass_memory(call, index, sizeof(exec::Dynptr), Use::read);
}

// ---- tail calls ----

// A tail call that cannot jump falls through to the next instruction; one that does never comes back. Calls through an
// empty slot do not count towards the limit (arch/x86/net/bpf_jit_comp.c since Linux 6.11).
bool Machine::tail_call() {
  Call call{.helper = unit_->calls[steps_[at_].imm]};
  if (!pass_context(call, 0) || !pass_map(call, 1)) return false;
  const auto index = static_cast<std::uint32_t>(r_[3]);
  std::fill_n(r_.begin(), 6, 0);
  exec::ProgramTable* programs = call.map->abilities().programs;
  if (programs == nullptr || index >= call.map->spec().max_entries || tail_calls_ == isa::kMaxTailCalls) return true;
  const exec::ProgramSlot slot = programs->get(index);
  if (slot.program == nullptr) return true;
  return jump_to(slot);
}

bool Machine::jump_to(const exec::ProgramSlot& slot) {
  if (slot.program->program().type() != unit_->program().type()) {
    return stop(ErrorKind::rejected, EINVAL, "tail call to a program of another type");
  }
  const Result<const Unit*> target = units_.find(slot);
  if (!target) return stop(target.error().kind, target.error().error, target.error().message);
  ++tail_calls_;
  enter_unit(**target, 0);
  r_[1] = Memory::fixed_address(context_region_);
  defined_ = 1U << 1;
  enter_stack();
  return true;
}

// ---- the end ----

void Machine::let_go() {
  exec::let_go(run_);
  slices_.clear();
}

void Machine::close_records() {
  const std::size_t left = exec::discard_open_records(run_);
  if (left != 0 && trap_ == nullptr) std::ignore = stop(ErrorKind::rejected, EINVAL, exec::left_open(left).message);
}

}  // namespace forager::interp

// SPDX-License-Identifier: Apache-2.0
//
// Helper calls: whether this program may call it, what it does to memory and registers, and what it returns (Linux
// check_helper_call). What each argument must be stands in arguments.cc; all of it comes from helpers.def.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isa/sets.h"
#include "verifier/analysis.h"
#include "verifier/format.h"

namespace forager::verifier {

using isa::MapType;
using isa::ProgType;
using isa::Ret;

namespace {

constexpr s64 kMaxErrno = 4095;

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::ranges::find(names, name) != std::end(names);
}

// Helpers that take a reference to what they return.
constexpr std::string_view kAcquire[] = {"sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp", "ringbuf_reserve"};
// Helpers whose result is the argument under another type, with its reference.
constexpr std::string_view kCasts[] = {
    "tcp_sock",         "sk_fullsock",       "skc_to_tcp_sock",          "skc_to_tcp6_sock",
    "skc_to_udp6_sock", "skc_to_mptcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock"};
// Helpers that return the length of what they wrote, or an error.
constexpr std::string_view kLengths[] = {"get_stack", "get_task_stack", "probe_read_str", "probe_read_kernel_str",
                                         "probe_read_user_str"};
// Helpers that only look into their map.
constexpr std::string_view kLooks[] = {"map_lookup_elem", "map_lookup_percpu_elem", "map_peek_elem", "tail_call",
                                       "redirect_map"};

constexpr std::string_view kSleeps[] = {"copy_from_user", "copy_from_user_task", "ima_inode_hash", "ima_file_hash"};
// Helpers that change their map's contents.
constexpr std::string_view kChanges[] = {"map_update_elem", "map_delete_elem", "map_push_elem", "map_pop_elem"};

bool acquires(const CallMeta& meta, const MapSpec* map) {
  if (is_one_of(meta.helper->name, kAcquire)) return true;
  const bool sockets = map != nullptr && (map->type == MapType::sockmap || map->type == MapType::sockhash);
  return sockets && meta.helper->name == "map_lookup_elem";
}

Reg pointer_result(RegType type, bool maybe_null) {
  Reg out;
  out.type = type;
  out.maybe_null = maybe_null;
  return out;
}

// Linux may_update_sockmap.
bool may_change_sockets(ProgType type, std::string_view helper) {
  using namespace isa::sets;
  const isa::ProgTypeSet always = socket_filter | kTc | xdp | sk_reuseport | flow_dissector | sk_lookup;
  return (isa::set_of(type) & (always | (helper == "map_delete_elem" ? sock_ops : 0))) != 0;
}

// Maps whose values hold locks or timers are not for programs that may interrupt their users.
bool is_tracing(ProgType type) {
  return type == ProgType::kprobe || type == ProgType::tracepoint || type == ProgType::perf_event ||
         type == ProgType::raw_tracepoint || type == ProgType::raw_tracepoint_writable;
}

}  // namespace

const isa::HelperRow& Analysis::allowed_helper(const Instruction& insn) {
  const auto id = static_cast<u32>(insn.imm);
  const isa::HelperRow* helper = isa::find_helper(id);
  if (helper == nullptr) refuse(EINVAL, fmt::format("invalid func unknown#{}: there is no helper of that number", id));
  if ((helper->program_types & isa::set_of(program_.type())) == 0) {
    refuse(
        EINVAL,
        fmt::format("program of this type cannot use helper bpf_{}#{}: it is not for {}", helper->name, id, type_.name),
        "docs/tables.md has the program types that each helper is for");
  }
  if (!isa::helper_allowed_at(*helper, program_.type(), program_.source().attach_type)) {
    refuse(EINVAL,
           fmt::format("program of this type cannot use helper bpf_{}#{}: not at this attach type", helper->name, id));
  }
  if (is_one_of(helper->name, kSleeps) && program_.type() != ProgType::syscall) {
    refuse(EINVAL, fmt::format("helper call might sleep in a non-sleepable prog: bpf_{}", helper->name));
  }
  if (helper->gpl_only && !program_.source().gpl_compatible) {
    refuse(EINVAL,
           fmt::format("cannot call GPL-restricted function from non-GPL compatible program: bpf_{}", helper->name),
           "declare a GPL-compatible licence: char _license[] SEC(\"license\") = \"GPL\"");
  }
  if (state_.lock() != nullptr && helper->name != "spin_unlock") {
    if (helper->name == "spin_lock")
      refuse(EINVAL, "Locking two bpf_spin_locks are not allowed", "unlock the first one before");
    refuse(EINVAL, fmt::format("function calls are not allowed while holding a lock: bpf_{}", helper->name),
           "unlock first, or call it before taking the lock");
  }
  return *helper;
}

Analysis::Flow Analysis::call_helper(const Instruction& insn) {
  CallMeta meta;
  meta.helper = &allowed_helper(insn);
  meta.args = isa::helper_args(*meta.helper, program_.type());
  const auto map = std::ranges::find(meta.args, Arg::const_map);
  const Reg* map_reg = map == meta.args.end() ? nullptr : &state_.regs()[static_cast<u32>(map - meta.args.begin()) + 1];
  const bool one_map = map_reg != nullptr && map_reg->type == RegType::map && !map_reg->inner;
  recorder_.called(at_, meta.helper->id, one_map ? map_reg->map : kNone);
  for (u32 i = 0; i < meta.args.size() && meta.args[i] != Arg::none; ++i) check_argument(meta, i);
  check_map_argument(meta);
  helper_specifics(meta);

  if (meta.new_dynptr.reg != 0) make_dynptr(meta);
  if (meta.release != 0) {
    if (meta.args[meta.release - 1] == Arg::dynptr) {
      end_dynptr(meta.release);
    } else if (meta.reference != 0) {
      release(meta.reference);
    }
  }
  // The callback, or what follows it, sees the caller's registers as they are now.
  if (calls_back(insn)) push_callback(meta);
  if (calls_back_later(insn)) push_async_callback(meta);
  if (meta.helper->name == "tail_call" && state_.frames.size() > 1) return_after_tail_call();
  clear_caller_saved(state_.regs());
  give_result(meta);
  if (meta.helper->changes_packet) forget_packet_pointers();
  return Flow::next;
}

void Analysis::check_map_argument(const CallMeta& meta) {
  if (meta.map.type != RegType::map) return;
  const MapSpec& spec = spec_of(meta.map);
  const auto type = static_cast<u32>(spec.type);
  if (type >= 64 || (meta.helper->map_types >> type & 1) == 0) {
    const isa::MapRow* row = isa::find_map(type);
    refuse(EINVAL,
           fmt::format("cannot pass map_type {} into func bpf_{}#{}: map '{}' is of type {}", type, meta.helper->name,
                       meta.helper->id, spec.name, row == nullptr ? "unknown" : row->name),
           "docs/tables.md has the maps that each helper takes");
  }
  if ((spec.flags & BPF_F_RDONLY_PROG) != 0 && is_one_of(meta.helper->name, kChanges)) {
    refuse(EACCES, fmt::format("write into map forbidden: '{}' is read-only for programs", spec.name));
  }
  const bool sockets = spec.type == MapType::sockmap || spec.type == MapType::sockhash;
  if (sockets && is_one_of(meta.helper->name, kChanges) && !may_change_sockets(program_.type(), meta.helper->name)) {
    refuse(EINVAL,
           fmt::format("cannot pass map_type {} into func bpf_{}#{}: programs of type {} may not change maps of "
                       "sockets",
                       type, meta.helper->name, meta.helper->id, type_.name));
  }
  const auto has = [&](program::ValueField::Kind kind) {
    return std::ranges::find(spec.fields, kind, &program::ValueField::kind) != spec.fields.end();
  };
  const ProgType program = program_.type();
  if ((is_tracing(program) || program == ProgType::socket_filter) && has(program::ValueField::Kind::spin_lock)) {
    refuse(EINVAL, fmt::format("{} progs cannot use bpf_spin_lock yet: map '{}' has one",
                               program == ProgType::socket_filter ? "socket filter" : "tracing", spec.name));
  }
  if (is_tracing(program) && has(program::ValueField::Kind::timer)) {
    refuse(EINVAL, fmt::format("tracing progs cannot use bpf_timer yet: map '{}' has one", spec.name));
  }
  recorder_.map_touched(meta.map,
                        is_one_of(meta.helper->name, kLooks) ? Recorder::MapTouch::look : Recorder::MapTouch::write);
}

void Analysis::helper_specifics(const CallMeta& meta) {
  const std::string_view name = meta.helper->name;
  if (name == "tail_call") check_tail_call();
  if (name == "get_local_storage") {
    const Reg& flags = state_.regs()[2];
    if (!flags.is_null()) refuse(EINVAL, "get_local_storage() doesn't support non-zero flags");
    mark_precise(2);
  }
  if (name == "dynptr_from_mem") {
    const Reg& memory = state_.regs()[1];
    if (memory.type != RegType::map_value) {
      refuse(EACCES, fmt::format("Unsupported reg type {} for bpf_dynptr_from_mem data", type_name(memory)));
    }
  }
  if (name == "snprintf") check_format(meta);
}

// The format of bpf_snprintf stands in read-only memory, so its conversions are known (Linux check_bpf_snprintf_call).
void Analysis::check_format(const CallMeta&) {
  const Reg& text = state_.regs()[3];
  const Scalar& size = state_.regs()[5].scalar;
  if (size.u.max % 8 != 0)
    refuse(EINVAL, fmt::format("the data of bpf_snprintf is {} bytes: not a multiple of 8", size.u.max));
  const MapSpec& spec = spec_of(text);
  if (spec.frozen == nullptr) return;
  const auto* begin = reinterpret_cast<const char*>(spec.frozen->data()) + text.whole_offset();
  const std::optional<u64> values = format_values(begin);
  if (!values) refuse(EINVAL, fmt::format("Invalid format string: '{}'", begin));
  if (*values <= size.u.max / 8 && *values <= kMaxFormatValues) return;
  refuse(EINVAL, fmt::format("Invalid format string: it takes {} values, {} are given", *values, size.u.max / 8));
}

void Analysis::clear_caller_saved(std::array<Reg, isa::kRegisters>& regs) {
  for (u32 i = 0; i <= 5; ++i) regs[i] = {};
}

void Analysis::give_result(const CallMeta& meta) {
  Reg& result = state_.regs()[0];
  const bool nullable = meta.helper->returns != Ret::map_value && meta.helper->returns != Ret::btf_pointer;
  switch (meta.helper->returns) {
    case Ret::nothing:
      return;
    case Ret::integer:
      result = scalar_reg();
      refine_result(meta);
      return;
    case Ret::map_value:
    case Ret::map_value_or_null:
      result = result_of_lookup(meta);
      break;
    case Ret::socket_or_null:
      result = pointer_result(RegType::socket, nullable);
      break;
    case Ret::socket_common_or_null:
      result = pointer_result(RegType::socket_common, nullable);
      break;
    case Ret::tcp_socket_or_null:
      result = pointer_result(RegType::tcp_socket, nullable);
      break;
    case Ret::record_or_null:
    case Ret::mem_or_null:
    case Ret::dynptr_slice_or_null:
      result = pointer_result(RegType::memory, nullable);
      result.bytes = static_cast<u32>(std::min<u64>(meta.alloc_size, Limits<u32>::max()));
      result.origin = meta.helper->returns == Ret::record_or_null ? Origin::record : Origin::slice;
      if (meta.helper->returns == Ret::dynptr_slice_or_null) {
        result.slice_of = meta.dynptr_id;
        result.reference = meta.reference;
      }
      break;
    case Ret::btf_pointer:
    case Ret::btf_pointer_or_null:
      result = pointer_result(RegType::object, nullable);
      break;
  }
  if (result.maybe_null) result.id = next_id();
  if (is_one_of(meta.helper->name, kCasts)) result.reference = meta.reference;
  if (!acquires(meta, meta.map.type == RegType::map ? &spec_of(meta.map) : nullptr)) return;
  result.id = result.reference = take_reference();
}

// What a lookup finds: a value; in a map of maps, a map; of sockets, a socket.
Reg Analysis::result_of_lookup(const CallMeta& meta) {
  const bool nullable = meta.helper->returns == Ret::map_value_or_null && !meta.element_exists;
  const MapSpec& spec = spec_of(meta.map);
  Reg out = pointer_result(RegType::map_value, nullable);
  out.map = meta.map.map;
  out.inner = meta.map.inner;
  if (spec.type == MapType::array_of_maps || spec.type == MapType::hash_of_maps) {
    out.type = RegType::map;
    out.inner = true;
    out.slice_of = next_id();
  } else if (spec.type == MapType::xskmap) {
    out.type = RegType::xdp_socket;
  } else if (spec.type == MapType::sockmap || spec.type == MapType::sockhash) {
    out.type = RegType::socket;
  }
  if (!nullable && !spec.fields.empty()) out.id = next_id();
  return out;
}

void Analysis::refine_result(const CallMeta& meta) {
  if (!is_one_of(meta.helper->name, kLengths)) return;
  Scalar& result = state_.regs()[0].scalar;
  const auto most = static_cast<s64>(std::min<u64>(meta.size_max, static_cast<u64>(kMaxOffset)));
  result.s.cut(-kMaxErrno, most);
  result.s32r.cut(static_cast<s32>(-kMaxErrno), static_cast<s32>(most));
  result.sync();
}

}  // namespace forager::verifier

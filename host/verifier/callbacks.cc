// SPDX-License-Identifier: Apache-2.0
//
// Functions that a helper calls: now, any number of times (bpf_loop, bpf_for_each_map_elem, ...), or some time later
// (timers). A round of the former is a path from the call into the function and back to the call, where it is decided
// anew whether there is another round (Linux push_callback_call).
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::MapType;

namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP, which Linux lets out

bool visits_elements(MapType type) {
  switch (type) {
    case MapType::array:
    case MapType::percpu_array:
    case MapType::hash:
    case MapType::percpu_hash:
    case MapType::lru_hash:
    case MapType::lru_percpu_hash:
      return true;
    default:
      return false;
  }
}

Reg object() {
  Reg out;
  out.type = RegType::object;
  return out;
}

// The map, the key and the value that a callback is shown.
void set_element(const Reg& map, u32 id, Frame& callee) {
  Reg reg;
  reg.map = map.map;
  reg.inner = map.inner;
  reg.type = RegType::map;
  callee.regs[1] = reg;
  reg.type = RegType::map_key;
  callee.regs[2] = reg;
  reg.type = RegType::map_value;
  reg.id = id;
  callee.regs[3] = reg;
}

}  // namespace

void Analysis::set_callback_arguments(const CallMeta& meta, Frame& callee, const Frame& caller) const {
  const std::string_view name = meta.helper->name;
  callee.callback_returns = {0, 1};
  if (name == "loop") {
    callee.regs[1] = scalar_reg();
    callee.regs[2] = caller.regs[3];
  } else if (name == "for_each_map_elem") {
    set_element(meta.map, spec_of(meta.map).fields.empty() ? 0 : ids_, callee);
    callee.regs[4] = caller.regs[3];
  } else if (name == "find_vma") {
    callee.regs[1] = callee.regs[2] = object();
    callee.regs[3] = caller.regs[4];
  } else {  // user_ringbuf_drain
    callee.regs[1].type = RegType::dynptr;
    callee.regs[1].dynptr = DynptrType::local;
    callee.regs[1].id = ids_;
    callee.regs[2] = caller.regs[3];
  }
}

void Analysis::push_callback(const CallMeta& meta) {
  Frame& caller = state_.frame();
  if (meta.helper->name == "for_each_map_elem" && !visits_elements(spec_of(meta.map).type)) {
    refuse(kNotSupported, fmt::format("callback function not allowed for map '{}'", spec_of(meta.map).name));
  }
  if (meta.helper->name == "loop") {
    mark_precise(1);
    if (caller.callback_depth >= state_.regs()[1].scalar.u.max) {
      caller.callback_depth = 0;
      return;
    }
  }
  if (state_.frames.size() >= isa::kMaxCallFrames) {
    refuse_limit("the call stack is too deep", isa::kMaxCallFrames, state_.frames.size() + 1, "inline some functions");
  }
  (void)next_id();  // of what the arguments are
  push_path(at_);
  State& round = pending_.back();
  enter(round, meta.subprogram, at_, FrameKind::callback);
  Frame& from = round.frames[round.frames.size() - 2];
  set_callback_arguments(meta, round.frame(), from);
  ++from.callback_depth;
  ++round.callback_unroll_depth;
  caller.callback_depth = 0;
}

void Analysis::push_async_callback(const CallMeta& meta) {
  State later;
  enter(later, meta.subprogram, kNone, FrameKind::async_callback);
  Frame& callee = later.frame();
  callee.async_entries = state_.frame().async_entries + 1;
  callee.callback_returns = {0, 0};
  set_element(meta.map, next_id(), callee);
  pending_.push_back(std::move(later));
}

Analysis::Flow Analysis::return_from_callback() {
  const Frame& callee = state_.frame();
  const Reg& result = read_reg(0);
  if (!result.is_scalar()) refuse(EACCES, "R0 not a scalar value: a callback returns a number");
  mark_precise(0);
  const isa::ReturnRange range = callee.callback_returns;
  if (result.scalar.s.min < static_cast<s64>(range.min) || result.scalar.s.max > static_cast<s64>(range.max)) {
    refuse(EINVAL,
           fmt::format("At callback return the register R0 has {}, should have been in [{}, {}]",
                       describe(result.scalar), range.min, range.max),
           "return 0 to go on, 1 to stop");
  }
  if (state_.references.size() != callee.references_at_entry) {
    check_nothing_held("BPF_EXIT of a callback");
    refuse(EINVAL, "a callback gives back a reference that it did not take");
  }
  const u32 call_site = callee.call_site;
  state_.steps.back().kind = Step::Kind::callback_exit;
  state_.frames.pop_back();
  state_.at = call_site;
  state_.after_callback = true;
  if (const Checkpoint* before = previous_visit(); before != nullptr) widen_from(*before);
  return Flow::jumped;
}

}  // namespace forager::verifier

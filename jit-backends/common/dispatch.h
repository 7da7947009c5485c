// SPDX-License-Identifier: Apache-2.0
//
// Which rule of an architecture a step is for: the only list of them. What is missing in an emitter does not compile.
//
// Tested by: through every backend.
#pragma once

#include "jit-backends/common/code.h"

namespace forager::jit {

template <class Emitter>
void emit_by_rule(Emitter& rules, const Step& step) {
  switch (step.kind) {
    case Kind::none:
      return;
    case Kind::alu:
      return rules.alu(step);
    case Kind::constant:
      return rules.constant(step);
    case Kind::extend:
      return rules.extend(step);
    case Kind::truncate:
      return rules.truncate(step);
    case Kind::negate:
      return rules.negate(step);
    case Kind::swap:
      return rules.swap(step);
    case Kind::rotate:
      return rules.rotate(step);
    case Kind::add_to:
      return rules.add_to(step);
    case Kind::load:
      return rules.load(step);
    case Kind::load_swapped:
      return rules.load_swapped(step);
    case Kind::store:
      return rules.store(step);
    case Kind::atomic:
      return rules.atomic(step);
    case Kind::load_context:
      return rules.load_context(step);
    case Kind::store_context:
      return rules.store_context(step);
    case Kind::load_packet:
      return rules.load_packet(step);
    case Kind::map_object:
      return rules.map_object(step);
    case Kind::map_value:
      return rules.map_value(step);
    case Kind::function:
      return rules.function(step);
    case Kind::jump:
      return rules.jump_to(step);
    case Kind::branch:
      return rules.branch(step);
    case Kind::call_helper:
      return rules.call_helper(step);
    case Kind::look_up:
      return rules.look_up(step);
    case Kind::look_up_key:
      return rules.look_up_key(step);
    case Kind::lane:
      return rules.lane(step);
    case Kind::random:
      return rules.random(step);
    case Kind::sum:
      return rules.sum(step);
    case Kind::look_up_index:
      return rules.look_up_index(step);
    case Kind::call_function:
      return rules.call_function(step);
    case Kind::tail_call:
      return rules.tail_call(step);
    case Kind::exit:
      return rules.exit(step);
  }
}

}  // namespace forager::jit

// SPDX-License-Identifier: Apache-2.0
//
// Values without keys: QUEUE, STACK, and BLOOM_FILTER, of which a peek asks whether a value may be a member.
#include "helpers/functions.h"

namespace forager::helpers {
namespace {

exec::ValueStore& values(u64 argument) { return *map(argument).abilities().values; }

}  // namespace

u64 map_push_elem(RunContext&, u64 a, u64 value, u64 flags, u64, u64) {
  return result(values(a).push(pointer<void>(value), flags));
}

u64 map_pop_elem(RunContext&, u64 a, u64 value, u64, u64, u64) { return result(values(a).pop(pointer<void>(value))); }

u64 map_peek_elem(RunContext&, u64 a, u64 value, u64, u64, u64) { return result(values(a).peek(pointer<void>(value))); }

}  // namespace forager::helpers

// SPDX-License-Identifier: Apache-2.0
//
// The rows of ctx/contexts.def by index, so that prog_types.def's rows can point at them. Private to host/isa.
#pragma once

#include "isa/tables.h"

namespace forager::isa {

enum class ContextIndex : unsigned {
#define FORAGER_CONTEXT(id, ...) id,
#include "isa/ctx/contexts.def"
  count,
};

extern const ContextRow kContexts[static_cast<unsigned>(ContextIndex::count)];

}  // namespace forager::isa

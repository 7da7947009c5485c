// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/passes.h"

namespace forager::jit {

void fuse(Code&) {}

}  // namespace forager::jit

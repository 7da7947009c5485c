// SPDX-License-Identifier: Apache-2.0
//
// bpf_redirect as programs of the stack have it; XDP's has other flags and verdicts (xdp.cc).
//
// Tested by: tests/unit/helpers_skb_kernel_test.cc.
#pragma once

#include "helpers/functions.h"

namespace forager::helpers {

[[nodiscard]] u64 skb_redirect(RunContext& run, u64 ifindex, u64 flags);

}  // namespace forager::helpers

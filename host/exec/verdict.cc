// SPDX-License-Identifier: Apache-2.0
#include "exec/verdict.h"

namespace forager::exec {

// Zero is XDP_ABORTED, SK_DROP, NF_DROP and "deny"; where zero would accept, the rule has a verdict 2 that drops
// (TC_ACT_SHOT, BPF_DROP).
std::uint64_t safe_verdict(isa::ProgType type) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  if (row == nullptr) return 0;
  switch (row->returns) {
    case isa::ReturnRule::tc_action:
    case isa::ReturnRule::lwt_action:
    case isa::ReturnRule::flow_verdict:
      return 2;
    default:
      return 0;
  }
}

}  // namespace forager::exec

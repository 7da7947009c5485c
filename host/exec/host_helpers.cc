// SPDX-License-Identifier: Apache-2.0
#include "exec/host_helpers.h"

namespace forager::exec {

const std::bitset<512>& host_helpers() {
  static const std::bitset<512> kIds = [] {
    std::bitset<512> ids;
#define FORAGER_HOST_HELPER(name) ids.set(static_cast<std::size_t>(HelperId::name));
#include "exec/host_helpers.def"
    return ids;
  }();
  return kIds;
}

std::string_view unsupported_reason(std::uint32_t id) {
  if (id == static_cast<std::uint32_t>(HelperId::tail_call)) return {};  // every engine jumps itself
  if (id < host_helpers().size() && host_helpers().test(id)) return {};
  switch (id) {
#define FORAGER_UNSUPPORTED_HELPER(name, reason)   \
  case static_cast<std::uint32_t>(HelperId::name): \
    return reason;
#include "exec/unsupported_helpers.def"
    default:
      return "not built yet";
  }
}

}  // namespace forager::exec

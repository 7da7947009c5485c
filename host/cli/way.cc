// SPDX-License-Identifier: Apache-2.0
#include "cli/way.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include "isa/tables.h"

namespace forager::cli {

std::optional<Way> way_of(const exec::Redirect& redirect) {
  if ((redirect.flags & BPF_F_BROADCAST) != 0) return Way{"ports", 0};
  switch (static_cast<isa::MapType>(redirect.map_type)) {
    case isa::MapType::cpumap:
      return Way{"cpu", redirect.ifindex};
    case isa::MapType::xskmap:
      return Way{"socket", redirect.ifindex};
    default:
      if (redirect.ifindex == 0) return std::nullopt;
      return Way{"port", redirect.ifindex};
  }
}

std::string to_text(const Way& way) {
  return way.kind == "ports" ? "all ports" : fmt::format("{} {}", way.kind, way.number);
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// Way: where a redirected packet went, in words. A port, a CPU (CPUMAP), a socket's key (XSKMAP), or all ports.
//
// Tested by: tests/unit/cli_run_result_test.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "exec/frame.h"

namespace forager::cli {

struct Way {
  std::string kind = "port";  // or "cpu", "socket", "ports"
  std::uint32_t number = 0;   // of "ports": 0

  friend auto operator<=>(const Way&, const Way&) = default;
};

// Nothing if there is none, or the engine cannot tell (the kernel's test run).
[[nodiscard]] std::optional<Way> way_of(const exec::Redirect& redirect);
[[nodiscard]] std::string to_text(const Way& way);  // "port 3", "all ports"

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// What bpf(2) of this runtime takes, found out by asking it: libbpf's probes load programs and create maps, as bpftool
// has them do in the kernel. Helpers are told from the tables and from what the interpreter runs.
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <nlohmann/json.hpp>

namespace forager::cli {

// bpftool's sections and members: system_config, syscall_config, program_types, map_types, helpers, misc.
// `all_helpers`: those too that bpftool leaves out because probing them writes to the kernel's log.
[[nodiscard]] nlohmann::ordered_json probe_features(bool all_helpers);
[[nodiscard]] std::string features_text(const nlohmann::ordered_json& features);

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// What bpf(2) says about a loaded program.
#pragma once

#include <linux/bpf.h>

#include <string>

#include "cli/world.h"
#include "forager/result.h"

namespace forager::cli {

// Errors: system.
[[nodiscard]] Result<bpf_prog_info> info_of(const ProgramHandle& program);
// 16 hex digits.
[[nodiscard]] std::string tag_text(const bpf_prog_info& info);
// The kept ids of the maps that it uses; maps that are not kept are left out. Errors: system.
[[nodiscard]] Result<std::vector<std::uint32_t>> map_ids_of(const World& world, const ProgramHandle& program);

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// Pins: paths of a virtual bpffs, kept as rows of the registry. Nothing stands in the file system; paths only look as
// they do with bpftool, so that command lines can stay what they are. A path without a leading '/' is meant below
// /sys/fs/bpf.
//
// Tested by: tests/unit/cli_state_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <string>
#include <vector>

#include "cli/state.h"
#include "forager/result.h"

namespace forager::cli {

// "fw" -> "/sys/fs/bpf/fw". Letters, digits, '.', '_', '-' and '/'; no "." or "..", at most 200 characters.
// Errors: input.
[[nodiscard]] Result<std::string> pin_path(const std::string& text);
// What the object is called that was loaded at the path: "/sys/fs/bpf/fw" -> "fw".
[[nodiscard]] std::string object_name(const std::string& path);

// Errors: input, EEXIST.
[[nodiscard]] Result<> check_free(const Registry& registry, const std::string& path);
[[nodiscard]] Result<> add_pin(Registry& registry, Pin pin);
// Errors: input: ENOENT, or EINVAL where something else is pinned there.
[[nodiscard]] Result<std::uint32_t> pinned_id(const Registry& registry, PinKind kind, const std::string& path);
[[nodiscard]] std::vector<std::string> paths_of(const Registry& registry, PinKind kind, std::uint32_t id);

}  // namespace forager::cli

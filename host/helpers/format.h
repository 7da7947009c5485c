// SPDX-License-Identifier: Apache-2.0
//
// The format strings of bpf_trace_printk, bpf_trace_vprintk and bpf_snprintf, with the subset and the checks of
// kernel/bpf/helpers.c bpf_bprintf_prepare: %d %i %u %x %X with l or ll, %c, %s, %p and its forms ks us K x s S B,
// %pi4 %pI4 %pi6 %pI6, flags "0 +-" and a width.
//
// What differs: %p prints the address (Linux hashes it), and %ps %pS %pB print it too (there are no symbols).
//
// Tested by: tests/unit/helpers_test.cc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "exec/environment.h"

namespace forager::helpers {

// Appends the text to `out`. 0, or -EINVAL for a format that Linux refuses: outside the subset, not ASCII, or with more
// conversions than arguments.
[[nodiscard]] int format(const exec::RunContext& run, std::string_view text, std::span<const std::uint64_t> arguments,
                         std::string& out);

// The text up to its NUL; empty optional if there is none.
[[nodiscard]] std::optional<std::string_view> text_of(std::span<const std::byte> memory);

}  // namespace forager::helpers

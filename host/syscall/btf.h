// SPDX-License-Identifier: Apache-2.0
//
// BTF as bpf(2) takes it. libbpf parses; what it leaves unchecked (that types and names referred to exist) is checked
// here, since the bytes are hostile and everything after trusts them.
//
// Tested by: tests/unit/syscall_object_test.cc, syscall_debug_info_test.cc.
#pragma once

#include <bpf/btf.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "syscall/user_memory.h"

namespace forager::syscall {

// The parsed form, or -EINVAL; what is wrong is appended to `log`.
[[nodiscard]] Errno<std::shared_ptr<const ::btf>> parse_btf(std::span<const std::byte> bytes, std::string& log);

// The type under typedefs, qualifiers and tags; void where they go round in circles.
inline constexpr int kMaxModifiers = 32;  // as libbpf
[[nodiscard]] const btf_type* skip_modifiers(const ::btf& types, std::uint32_t id);

// Bytes of a value of the type; nothing for types without a size.
[[nodiscard]] std::optional<std::uint32_t> size_of_type(const ::btf& types, std::uint32_t id);

}  // namespace forager::syscall

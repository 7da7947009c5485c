// SPDX-License-Identifier: Apache-2.0
//
// Programs that a vector brings as an ELF object: libbpf loads them through our own bpf(2), and the first runs
// like any loaded program.
//
// What stands in a section of no program type (".text", as the suite writes it) is a raw-memory program; an "xdp"
// section brings its own prologue and gets the memory as its packet.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "forager/result.h"

namespace forager::conformance {

// r0, of which an XDP program has 32 bits. Errors: input for what is no BPF object; otherwise those of loading, of
// placement on the backend, and of execution.
[[nodiscard]] Result<std::uint64_t> run_elf(std::span<const std::byte> elf, std::span<const std::byte> memory,
                                            const std::string& backend);

}  // namespace forager::conformance

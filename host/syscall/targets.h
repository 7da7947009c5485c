// SPDX-License-Identifier: Apache-2.0
//
// From the numbers in bpf(2)'s attributes to a place: an interface, a cgroup's directory, a map, a network namespace.
//
// Tested by: tests/unit/syscall_attach_test.cc.
#pragma once

#include "runtime/attach.h"
#include "syscall/attributes.h"
#include "syscall/commands.h"

namespace forager::syscall {

// Which family of places an attach type belongs to; other: none that a descriptor or an interface names.
enum class TargetKind : std::uint8_t { port, cgroup, sockmap, netns, other };
[[nodiscard]] TargetKind target_kind(std::uint32_t attach_type);

// -ENODEV for an interface that does not exist, -EBADF for what is no directory (cgroup) and for closed descriptors,
// -EINVAL for descriptors of other things, -EOPNOTSUPP for maps without programs.
[[nodiscard]] Errno<runtime::Place> place_of(const Call& call, std::uint32_t attach_type, std::uint32_t target);

// The program or link that `relative` means by BPF_F_ID and BPF_F_LINK; its program must be of the type.
[[nodiscard]] Errno<runtime::Who> relative_of(const Call& call, std::uint32_t flags, std::uint32_t relative,
                                              isa::ProgType type);

// A program of the caller's that an attach type takes: -EINVAL for others.
[[nodiscard]] Errno<std::shared_ptr<runtime::ProgramObject>> program_for(const Call& call, std::uint32_t attach_type,
                                                                         std::uint32_t fd);
[[nodiscard]] bool takes(std::uint32_t attach_type, const runtime::ProgramObject& program);

}  // namespace forager::syscall

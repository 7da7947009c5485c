// SPDX-License-Identifier: Apache-2.0
//
// Iterators: programs of type tracing that visit objects one by one and write text about them (kernel/bpf/bpf_iter.c).
// Which objects there are to visit, what a program sees of each, and which members of the kernel's structures it may
// read: iterators.def expanded into rows.
//
// A structure of the kernel has no fixed layout: where its members stand is read from the kernel's BTF when a program
// is loaded, and comes along with the program (program::Source::members).
//
// Tested by: tests/unit/isa_tables_test.cc, syscall_iter_test.cc.
#pragma once

#include <span>
#include <string_view>

#include "isa/tables.h"

namespace forager::isa {

struct IteratorRow {
  std::string_view name;      // "bpf_map_elem": the program's section is "iter/bpf_map_elem"
  const ContextRow* context;  // what r1 points to
};

[[nodiscard]] std::span<const IteratorRow> iterators();
// By the kernel function that stands for it in BTF, "bpf_iter_bpf_map_elem"; null for any other.
[[nodiscard]] const IteratorRow* find_iterator(std::string_view function);

// A member that a program may read, 8 bytes at most or an array of bytes.
struct KernelMember {
  KernelStruct of{};
  std::string_view name;
  std::uint32_t offset = 0;  // bytes
  std::uint32_t size = 0;
  KernelStruct to = KernelStruct::none;  // of a pointer: what it leads to
};

// struct bpf_iter_meta, which is laid out the same in every kernel.
[[nodiscard]] std::span<const KernelMember> meta_members();

struct KernelMemberName {
  KernelStruct of;
  std::string_view structure;  // "bpf_map"
  std::string_view name;
};
// Those whose place the kernel's BTF tells.
[[nodiscard]] std::span<const KernelMemberName> kernel_member_names();

}  // namespace forager::isa

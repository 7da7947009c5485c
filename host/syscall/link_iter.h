// SPDX-License-Identifier: Apache-2.0
//
// Links of iterators (kernel/bpf/bpf_iter.c bpf_iter_link_attach, map_iter.c), and BPF_ITER_CREATE on them.
//
// Tested by: tests/unit/syscall_iter_test.cc.
#pragma once

#include "syscall/link_probes.h"

namespace forager::syscall {

// BPF_LINK_CREATE: a descriptor, or the errno of check_iterator() and of what iter_info names.
[[nodiscard]] long attach_iterator(const Call& call, const LinkAttributes& asked,
                                   const std::shared_ptr<runtime::ProgramObject>& program);
// BPF_LINK_UPDATE: whether the program may take the place of the link's.
[[nodiscard]] long check_iterator_update(const Call& call, const runtime::LinkObject& link,
                                         const runtime::ProgramObject& next);

}  // namespace forager::syscall

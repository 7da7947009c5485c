// SPDX-License-Identifier: Apache-2.0
//
// What BPF_OBJ_GET_INFO_BY_FD says of a link, and the names that it and BPF_TASK_FD_QUERY hand out.
//
// Tested by: tests/unit/syscall_probe_test.cc, syscall_attach_test.cc.
#pragma once

#include <string_view>

#include "runtime/link_object.h"
#include "syscall/attributes.h"
#include "syscall/user_memory.h"

namespace forager::syscall {

// `info` comes with the caller's pointers and sizes. 0, -ENOSPC for a list or name that was cut, -EINVAL for a size
// without a pointer or the other way round, -EFAULT.
[[nodiscard]] long fill_link_info(LinkInfo& info, const runtime::LinkObject& link);

// Copies a name with its end; a short buffer gets what fits, and -ENOSPC.
[[nodiscard]] long put_name(UserAddress to, std::size_t room, std::string_view name);

// The event's name without its category: "sched_switch".
[[nodiscard]] std::string_view event_name(const runtime::Place& tracepoint);

}  // namespace forager::syscall

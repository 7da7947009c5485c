// SPDX-License-Identifier: Apache-2.0
//
// Links of events: perf events, many probes at once, raw tracepoints; and what all kinds of link creation share.
//
// Tested by: tests/unit/syscall_probe_test.cc.
#pragma once

#include "runtime/attach.h"
#include "syscall/attributes.h"
#include "syscall/commands.h"

namespace forager::syscall {

// The link's descriptor, or the errno of its places.
[[nodiscard]] long install_link(const Call& call, runtime::LinkSpec spec,
                                const std::shared_ptr<runtime::ProgramObject>& program,
                                const runtime::AttachRequest& request = {});

// -EBUSY if the other form of a sockmap's verdict program is attached; 0 for all other places.
[[nodiscard]] long check_sockmap(runtime::Runtime& runtime, const runtime::Place& place);

// BPF_LINK_CREATE of kprobe, tracepoint and perf_event programs.
[[nodiscard]] long attach_probe(const Call& call, const LinkAttributes& asked,
                                const std::shared_ptr<runtime::ProgramObject>& program);

}  // namespace forager::syscall

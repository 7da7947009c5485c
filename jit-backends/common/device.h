// SPDX-License-Identifier: Apache-2.0
//
// The device of both JITs: an Invocation on the calling thread.
//
// Tested by: tests/unit/jit_device_test.cc.
#pragma once

#include <memory>
#include <string>

#include "exec/backend.h"
#include "jit-backends/common/invocation.h"

namespace forager::jit {

[[nodiscard]] std::unique_ptr<exec::Device> make_device(std::string_view backend, Compile compile,
                                                        const exec::DeviceOptions& options);

// What both JITs can do: every instruction but those that name objects of the kernel's, every helper of the host's.
// `available` where this process runs on that architecture.
[[nodiscard]] const exec::Capabilities& capabilities(Arch arch);

}  // namespace forager::jit

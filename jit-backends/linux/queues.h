// SPDX-License-Identifier: Apache-2.0
//
// The mirror of QUEUE and STACK maps. They cannot be read without taking, so values do not live twice: before a run
// they move to the kernel, after it back, in their order. What the host pushes meanwhile stays behind them (on top of
// them, on a stack); what it pops meanwhile finds nothing.
//
// Tested by: tests/unit/linux_queues_test.cc.
#pragma once

#include "jit-backends/linux/mirror.h"

namespace forager::jit::linux_kernel {

[[nodiscard]] Result<std::unique_ptr<Mirror>> make_queue_mirror(std::shared_ptr<exec::Map> map, Fd fd);

}  // namespace forager::jit::linux_kernel

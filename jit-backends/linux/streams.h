// SPDX-License-Identifier: Apache-2.0
//
// Mirrors of maps that are streams: ring buffers and perf event arrays. Records go one way, from the kernel's buffer
// to ours, after every frame.
//
// A ring is kept as full as ours is, by placing the kernel's consumer position as far behind as our user is: a program
// that meets a full ring meets it on every engine at the same record. (Records that the kernel refused are not in
// RingProducer::lost(): the kernel does not count them.) A perf buffer's size is its sink's business; the kernel's is
// emptied after each frame, so samples are lost in the sink, where they are counted.
//
// Tested by: tests/unit/linux_streams_test.cc.
#pragma once

#include "jit-backends/linux/mirror.h"

namespace forager::jit::linux_kernel {

[[nodiscard]] Result<std::unique_ptr<Mirror>> make_ring_mirror(std::shared_ptr<exec::Map> map, Fd fd);
[[nodiscard]] Result<std::unique_ptr<Mirror>> make_perf_mirror(std::shared_ptr<exec::Map> map, Fd fd, Lanes lanes);

}  // namespace forager::jit::linux_kernel

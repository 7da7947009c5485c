// SPDX-License-Identifier: Apache-2.0
//
// Live frames (BPF_F_TEST_XDP_LIVE_FRAMES; net/bpf/test_run.c bpf_test_run_xdp_live): a test run whose verdicts are
// carried out. Frames are run in batches; every frame starts with the edges that it had at first, and with the bytes
// that its last run left.
//
// A frame that passes, goes back or is redirected to where there is something is given to Settings::on_live_frame, and
// counted in Runtime::live_frames. Where nobody takes it, it ends there: the runtime has no network behind its ports.
//
// Tested by: tests/unit/syscall_test_run_test.cc.
#pragma once

#include <memory>
#include <span>

#include "syscall/test_run.h"

namespace forager::syscall {

inline constexpr std::uint32_t kLiveBatch = 64;      // NAPI_POLL_WEIGHT, where nothing is asked for
inline constexpr std::uint32_t kMaxLiveBatch = 256;  // TEST_XDP_MAX_BATCH

// Runs the program `test.repeat` times on the frames of one batch, which have no fragments. The result's r0 is zero.
[[nodiscard]] Errno<TestResult> run_live(const Call& call, std::shared_ptr<runtime::ProgramObject> program,
                                         std::span<exec::Frame> batch);

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// The linux backend: this machine's kernel runs the program, by bpf(2) with BPF_PROG_LOAD and BPF_PROG_TEST_RUN.
//
// It is the oracle outside the project: nothing of ours decides what a program does here, neither verifier nor maps nor
// helpers. What the kernel's test run cannot say or do is in README.md (redirect targets are not reported, time and
// random numbers are the machine's own, bpf_trace_printk goes to the machine's trace pipe).
//
// Errors, besides those of exec::Device: run() gives `rejected` with the kernel verifier's reason where the kernel
// refuses a program that our verifier took (programs are loaded at the first run, when all maps are bound).
//
// Tested by: tests/unit/linux_*_test.cc, and with every engine by tests/golden.
#pragma once

#include <cstdint>
#include <memory>

#include "exec/backend.h"
#include "jit-backends/linux/raw_bpf.h"

namespace forager::jit::linux_kernel {

[[nodiscard]] const exec::Backend& backend();

// A backend that looks for the kernel through `call`: how tests see one that refuses. backend() is the usual one.
[[nodiscard]] std::unique_ptr<exec::Backend> make_backend(SystemCall call);

// Nanoseconds of one run over the frame, measured by the kernel over `repeat` runs in a row without leaving it. The
// packet is not restored between runs, so the program must not change it; the frame's own results are not touched.
// `device` is one of ours with a loaded XDP program and bound maps. Errors: input, if it is not; those of run().
[[nodiscard]] Result<std::uint64_t> measure(exec::Device& device, const exec::Frame& frame, std::uint32_t repeat);

}  // namespace forager::jit::linux_kernel

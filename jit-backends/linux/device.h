// SPDX-License-Identifier: Apache-2.0
//
// KernelDevice: runs one program in the kernel, frame by frame, on its own thread, CPU and network.
//
// Tested by: tests/unit/linux_device_test.cc, tests/unit/linux_raw_memory_test.cc.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/linux/network.h"
#include "jit-backends/linux/session.h"
#include "jit-backends/linux/worker.h"

namespace forager::jit::linux_kernel {

inline constexpr std::uint32_t kMinPacketBytes = 14;  // the test run takes no frame without an Ethernet header
inline constexpr std::uint32_t kMaxPacketBytes = exec::kMaxLinearBytes;
inline constexpr std::uint32_t kMaxFragmentBytes = exec::kMaxFragments * exec::kFrameBytes;

class KernelDevice final : public exec::Device {
 public:
  explicit KernelDevice(const exec::DeviceOptions& options);

  // Starts the thread and sets up its network. Before anything else.
  [[nodiscard]] Result<> start();

  [[nodiscard]] exec::DeviceInfo info() const override;
  [[nodiscard]] Result<> load(std::shared_ptr<const exec::Image> image) override;
  [[nodiscard]] Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override;
  [[nodiscard]] Result<exec::RunReport> run(exec::PacketBatch batch) override;
  [[nodiscard]] exec::Counters counters() const override { return counters_; }

  [[nodiscard]] Result<std::uint64_t> measure(const exec::Frame& frame, std::uint32_t repeat);

 private:
  struct RawProgram {
    Fd memory;
    Fd result;
    Fd program;
  };

  // On the worker's thread.
  [[nodiscard]] Result<> set_up_network(const exec::FibTable* table, const std::vector<std::uint32_t>& ports);
  [[nodiscard]] Result<> check_device_value(std::span<const std::byte> value);
  [[nodiscard]] Result<> prepare();
  [[nodiscard]] Result<> run_frames(exec::PacketBatch batch, exec::RunReport& report);
  [[nodiscard]] Result<std::uint64_t> run_xdp(exec::Frame& frame);
  [[nodiscard]] Result<std::uint64_t> run_skb(exec::Frame& frame);
  [[nodiscard]] Result<std::uint64_t> run_raw(exec::Frame& frame);
  [[nodiscard]] Result<RawProgram*> raw_program(std::uint32_t memory_bytes);
  [[nodiscard]] Result<TestRun> describe(const exec::Frame& frame);
  [[nodiscard]] Result<> test_run(const Fd& program, TestRun& run);
  [[nodiscard]] Result<SkbTestRun> test_run_skb(const exec::Frame& frame, std::uint32_t repeat);
  [[nodiscard]] Result<std::uint64_t> measure_xdp(const exec::Frame& frame, std::uint32_t repeat);
  [[nodiscard]] Result<std::uint64_t> measure_skb(const exec::Frame& frame, std::uint32_t repeat);
  [[nodiscard]] Result<std::uint64_t> run_frame(exec::Frame& frame);
  void reset();

  [[nodiscard]] bool is_raw() const;
  [[nodiscard]] isa::ProgType type() const;

  exec::DeviceOptions options_;
  Lanes lanes_;
  Network network_;
  exec::ProgramSlot slot_;  // the program, its maps
  std::shared_ptr<exec::MapList> maps_;
  std::unique_ptr<Session> session_;
  std::shared_ptr<const Fd> program_;
  std::map<std::uint32_t, RawProgram> raw_;  // by bytes of memory
  std::vector<std::byte> output_;
  exec::Counters counters_;
  Worker worker_;  // last: its thread uses the others
};

}  // namespace forager::jit::linux_kernel

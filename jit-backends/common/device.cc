// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/device.h"

#include <cerrno>

#include "exec/invocation.h"

namespace forager::jit {
namespace {

class JitDevice final : public exec::Device {
 public:
  JitDevice(std::string_view backend, Compile compile, const exec::DeviceOptions& options)
      : backend_(backend), invocation_(options, compile) {}

  exec::DeviceInfo info() const override {
    return {.backend = std::string(backend_), .name = "machine code on this CPU"};
  }

  Result<> load(std::shared_ptr<const exec::Image> image) override {
    auto mine = std::dynamic_pointer_cast<const JitImage>(image);
    if (mine == nullptr || mine->backend() != backend_) {
      return fail(ErrorKind::bug, EINVAL, "the JIT was given another backend's image");
    }
    invocation_.load(std::move(mine));
    return {};
  }

  Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override {
    return invocation_.bind(index, std::move(map));
  }

  Result<exec::RunReport> run(exec::PacketBatch batch) override {
    if (auto ready = invocation_.prepare(); !ready) return std::unexpected(std::move(ready.error()));
    const std::uint64_t traps = invocation_.counters().traps;
    const std::uint64_t begin = exec::run_clock_ns();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i + kAhead < batch.size()) prefetch(batch[i + kAhead]);
      invocation_.run(batch[i]);
    }
    return exec::RunReport{.packets = batch.size(),
                           .traps = invocation_.counters().traps - traps,
                           .busy_ns = exec::run_clock_ns() - begin};
  }

  Result<> call_back(const exec::AsyncCall& call) override {
    if (auto ready = invocation_.prepare(); !ready) return ready;
    return invocation_.run_async(call);
  }

  exec::Counters counters() const override { return invocation_.counters(); }

 private:
  // Headers of the packet after next are on their way to the cache while this one is processed.
  static constexpr std::size_t kAhead = 2;
  static void prefetch(exec::Frame& frame) { __builtin_prefetch(frame.buffer() + frame.data()); }

  std::string_view backend_;
  Invocation invocation_;
};

constexpr Arch kHost =
#if defined(__aarch64__)
    Arch::arm64;
#else
    Arch::x86_64;
#endif

exec::Capabilities describe(Arch arch) {
  exec::Capabilities able = exec::host_capabilities();
  able.available = arch == kHost;
  if (!able.available) able.reason = "this machine has another processor";
  return able;
}

}  // namespace

std::unique_ptr<exec::Device> make_device(std::string_view backend, Compile compile,
                                          const exec::DeviceOptions& options) {
  return std::make_unique<JitDevice>(backend, compile, options);
}

const exec::Capabilities& capabilities(Arch arch) {
  static const exec::Capabilities kX86 = describe(Arch::x86_64), kArm64 = describe(Arch::arm64);
  return arch == Arch::x86_64 ? kX86 : kArm64;
}

}  // namespace forager::jit

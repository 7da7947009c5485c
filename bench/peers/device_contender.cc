// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/contender.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

class DeviceContender final : public Contender {
 public:
  DeviceContender(Stage stage, std::shared_ptr<const exec::Image> image, std::unique_ptr<exec::Device> device)
      : stage_(std::move(stage)), image_(std::move(image)), device_(std::move(device)) {}

  Result<golden::Outcome> answers() override {
    std::vector<golden::FrameOutcome> outcomes;
    auto ran = each_batch(exec::run_clock_ns, [&](std::span<exec::Frame> frames, const exec::RunReport&, auto) {
      for (const exec::Frame& frame : frames) outcomes.push_back(golden::outcome_of(frame));
    });
    if (!ran) return std::unexpected(std::move(ran.error()));
    return golden::outcome_of(std::move(outcomes), stage_.engine());
  }

  Result<double> count(Meter meter) override {
    return sum(meter, [](const exec::RunReport&, std::uint64_t counted) { return counted; });
  }

  Result<double> pass() override {
    return sum(exec::run_clock_ns, [](const exec::RunReport& report, auto) { return report.busy_ns; });
  }

  std::size_t code_bytes() const override { return image_->bytes(); }

 private:
  template <class See>
  Result<> each_batch(Meter meter, const See& see) {
    for (std::size_t at = 0; at < stage_.packets().size();) {
      std::vector<exec::Frame> frames = stage_.batch(at);
      const std::uint64_t begin = meter();
      auto report = device_->run(frames);
      const std::uint64_t counted = meter() - begin;
      if (!report) return std::unexpected(std::move(report.error()));
      see(frames, *report, counted);
      at += frames.size();
    }
    return {};
  }

  // For each packet, of what `take` takes of each batch.
  template <class Take>
  Result<double> sum(Meter meter, const Take& take) {
    std::uint64_t sum = 0;
    auto ran = each_batch(meter, [&](std::span<exec::Frame>, const exec::RunReport& report, std::uint64_t counted) {
      sum += take(report, counted);
    });
    if (!ran) return std::unexpected(std::move(ran.error()));
    stage_.drain();
    return static_cast<double>(sum) / static_cast<double>(stage_.packets().size());
  }

  Stage stage_;
  std::shared_ptr<const exec::Image> image_;
  std::unique_ptr<exec::Device> device_;
};

}  // namespace

ContenderResult make_device_contender(const ExampleProgram& program, const exec::Backend& backend,
                                      const exec::CompileOptions& options) {
  if (!backend.capabilities().available) {
    return fail(ErrorKind::unsupported, EOPNOTSUPP, backend.capabilities().reason);
  }
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(std::move(stage.error()));
  auto image = backend.compile(stage->program().verified, options);
  if (!image) return std::unexpected(std::move(image.error()));
  auto device = backend.open({.environment = &syscall::process().runtime.environment, .ports = stage->ports()});
  if (!device) return std::unexpected(std::move(device.error()));
  auto ready = (*device)->load(*image);
  const auto& maps = stage->program().maps;
  for (std::uint32_t i = 0; ready && i < maps.size(); ++i) ready = (*device)->bind(i, maps[i]->map);
  if (!ready) return std::unexpected(std::move(ready.error()));
  return std::make_unique<DeviceContender>(std::move(*stage), std::move(*image), std::move(*device));
}

}  // namespace forager::bench

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/backend.h"

#include "jit-backends/opencl/device.h"
#include "jit-backends/opencl/devices.h"
#include "jit-backends/opencl/lower.h"
#include "jit-backends/opencl/refusals.h"

namespace forager::jit::opencl {
namespace {

exec::Capabilities describe() {
  exec::Capabilities able = abilities();
  able.available = usable_device(able.reason) != nullptr;
  if (able.available) able.reason.clear();
  return able;
}

class OpenclBackend final : public exec::Backend {
 public:
  std::string_view name() const override { return "opencl"; }
  const exec::Capabilities& capabilities() const override {
    static const exec::Capabilities kAble = describe();
    return kAble;
  }

  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions& options) const override {
    auto image = opencl::compile(program, options);
    if (!image) return std::unexpected(std::move(image.error()));
    return *image;
  }

  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    return make_device(options);
  }
};

}  // namespace

const exec::Backend& backend() {
  static const OpenclBackend kBackend;
  return kBackend;
}

}  // namespace forager::jit::opencl

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/backend.h"

#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/device.h"

namespace forager::jit::rtl {
namespace {

class RtlBackend final : public exec::Backend {
 public:
  std::string_view name() const override { return "rtl"; }
  const exec::Capabilities& capabilities() const override { return rtl::capabilities(); }

  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions& options) const override {
    auto image = rtl::compile(std::move(program), options);
    if (!image) return std::unexpected(std::move(image.error()));
    return *image;
  }

  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    return make_device(options);
  }
};

}  // namespace

const exec::Backend& backend() {
  static const RtlBackend kBackend;
  return kBackend;
}

}  // namespace forager::jit::rtl

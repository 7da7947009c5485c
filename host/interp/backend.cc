// SPDX-License-Identifier: Apache-2.0
#include "interp/backend.h"

#include "exec/blockers.h"
#include "exec/invocation.h"
#include "interp/device.h"

namespace forager::interp {
namespace {

exec::Capabilities describe() {
  exec::Capabilities able = exec::host_capabilities();
  able.iterators = true;
  able.checked = true;
  return able;
}

class InterpBackend : public exec::Backend {
 public:
  std::string_view name() const override { return "interp"; }
  const exec::Capabilities& capabilities() const override { return capabilities_; }

  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions& options) const override {
    auto found = exec::blockers(*program, capabilities_);
    if (!found.empty()) return std::unexpected(std::move(found.front()));
    return std::make_shared<const ProgramImage>(std::move(program), options);
  }

  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    return make_device(options);
  }

 private:
  exec::Capabilities capabilities_ = describe();
};

}  // namespace

const exec::Backend& backend() {
  static const InterpBackend kBackend;
  return kBackend;
}

}  // namespace forager::interp

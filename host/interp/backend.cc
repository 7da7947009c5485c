// SPDX-License-Identifier: Apache-2.0
#include "interp/backend.h"

#include "exec/blockers.h"
#include "exec/host_helpers.h"
#include "interp/device.h"

namespace forager::interp {
namespace {

using isa::Op;

// What the machine stops at (machine.cc): pointers to kernel code and data.
bool runs(Op op) {
  switch (op) {
    case Op::callx:
    case Op::call_kfunc:
    case Op::lddw_map_fd:
    case Op::lddw_map_value:
    case Op::lddw_btf_id:
      return false;
    default:
      return true;
  }
}

exec::Capabilities describe() {
  exec::Capabilities able;
  for (const isa::Row& row : isa::rows()) able.ops.set(static_cast<std::size_t>(row.op), runs(row.op));
  able.helpers = exec::host_helpers();
  able.helpers.set(static_cast<std::size_t>(exec::HelperId::tail_call));
  for (const isa::MapRow& row : isa::maps()) {
    able.map_types.set(static_cast<std::size_t>(row.type), row.status == "runs");
  }
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    if (row.status == "runs") able.program_types.push_back(row.type);
  }
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

// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <utility>

namespace forager::runtime {

Result<Session> Session::open(const exec::Environment& environment, std::shared_ptr<ProgramObject> program,
                              const SessionOptions& options) {
  Session session;
  session.program_ = std::move(program);
  PlacementRequest request = options.placement;
  request.checked = options.compile.checked || options.compile.assert_facts;
  auto placement = place(*session.program_->verified, request);
  if (!placement) return std::unexpected(std::move(placement.error()));
  session.refused_ = std::move(placement->refused);

  auto image = session.program_->image(*placement->backend, options.compile);
  if (!image) return std::unexpected(std::move(image.error()));
  session.image_ = std::move(*image);

  exec::DeviceOptions device_options = options.device;
  device_options.environment = &environment;
  auto device = placement->backend->open(device_options);
  if (!device) return std::unexpected(std::move(device.error()));
  session.device_ = std::move(*device);

  auto ready = session.device_->load(session.image_);
  if (ready) ready = session.bind_maps();
  if (!ready) return std::unexpected(std::move(ready.error()));
  return session;
}

// Tail calls bring their programs' maps along in the PROG_ARRAY's slots (exec/map.h).
Result<> Session::bind_maps() {
  for (std::uint32_t index = 0; index < program_->maps.size(); ++index) {
    if (auto bound = device_->bind(index, program_->maps[index]->map); !bound) return bound;
  }
  return {};
}

Result<exec::RunReport> Session::run(exec::PacketBatch batch) {
  auto report = device_->run(batch);
  if (report) program_->count_run(report->packets, report->busy_ns);
  return report;
}

}  // namespace forager::runtime

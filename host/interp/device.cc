// SPDX-License-Identifier: Apache-2.0
#include "interp/device.h"

#include <fmt/format.h>

#include <cerrno>

#include "exec/invocation.h"
#include "interp/machine.h"
#include "program/text.h"

namespace forager::interp {
namespace {

class Interpreter : public exec::Device {
 public:
  explicit Interpreter(const exec::DeviceOptions& options) : options_(options) {}

  exec::DeviceInfo info() const override { return {.backend = "interp", .name = "interpreter"}; }

  Result<> load(std::shared_ptr<const exec::Image> image) override {
    const auto* mine = dynamic_cast<const ProgramImage*>(image.get());
    if (mine == nullptr) return fail(ErrorKind::bug, EINVAL, "the interpreter was given another backend's image");
    if (machine_ == nullptr || checking_ != mine->checking()) replace_machine(mine->checking());
    machine_->set_program(mine->shared());
    image_ = std::move(image);
    return {};
  }

  Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override {
    if (machine_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
    return machine_->units().bind(index, std::move(map));
  }

  Result<exec::RunReport> run(exec::PacketBatch batch) override {
    if (auto ready = check_ready(); !ready) return std::unexpected(std::move(ready.error()));
    machine_->units().trim();
    const std::uint64_t traps = machine_->counters().traps;
    const std::uint64_t begin = exec::run_clock_ns();
    for (exec::Frame& frame : batch) machine_->run(frame);
    return exec::RunReport{
        .packets = batch.size(), .traps = machine_->counters().traps - traps, .busy_ns = exec::run_clock_ns() - begin};
  }

  Result<> call_back(const exec::AsyncCall& call) override {
    if (auto ready = check_ready(); !ready) return ready;
    return machine_->run_async(call);
  }

  exec::Counters counters() const override {
    exec::Counters total = before_;
    if (machine_ == nullptr) return total;
    total.packets += machine_->counters().packets;
    total.traps += machine_->counters().traps;
    total.instructions += machine_->counters().instructions;
    return total;
  }

 private:
  // The mode is the image's, so a device may change it by loading; its counters go on.
  void replace_machine(Checking checking) {
    before_ = counters();
    machine_ = std::make_unique<Machine>(options_, checking);
    checking_ = checking;
  }

  Result<> check_ready() const {
    if (machine_ == nullptr) return fail(ErrorKind::bug, EINVAL, "no program is loaded");
    const Unit& unit = *machine_->units().loaded();
    for (std::size_t i = 0; i < unit.maps.size(); ++i) {
      if (unit.maps[i] != nullptr) continue;
      return fail(
          ErrorKind::bug, EINVAL,
          fmt::format("map {} of program {} is not bound", unit.program().maps()[i].name, unit.program().name()));
    }
    return {};
  }

  exec::DeviceOptions options_;
  std::unique_ptr<Machine> machine_;
  std::shared_ptr<const exec::Image> image_;
  exec::Counters before_;  // of machines replaced
  Checking checking_ = Checking::memory;
};

}  // namespace

std::string ProgramImage::listing() const { return program::disassemble(program_->program()); }

std::unique_ptr<exec::Device> make_device(const exec::DeviceOptions& options) {
  return std::make_unique<Interpreter>(options);
}

}  // namespace forager::interp

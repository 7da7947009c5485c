// SPDX-License-Identifier: Apache-2.0
#include "runtime/timer_engine.h"

#include <cerrno>

#include "jit-backends/backends.h"

namespace forager::runtime {

Result<> TimerEngine::call(const exec::AsyncCall& call) {
  if (device_ == nullptr) {
    if (auto opened = open(); !opened) return opened;
  }
  return device_->call_back(call);
}

Result<> TimerEngine::open() {
  const exec::Backend* backend = jit::find_backend("interp");
  if (backend == nullptr) return fail(ErrorKind::unsupported, EOPNOTSUPP, "timers need the interpreter");
  auto image = backend->compile(callback_.program, {});
  if (!image) return std::unexpected(std::move(image.error()));
  auto device = backend->open({.environment = &environment_, .cpu = environment_.cpus - 1});
  if (!device) return std::unexpected(std::move(device.error()));
  if (auto loaded = (*device)->load(std::move(*image)); !loaded) return loaded;
  for (std::uint32_t i = 0; i < callback_.maps->size(); ++i) {
    if (auto bound = (*device)->bind(i, (*callback_.maps)[i]); !bound) return bound;
  }
  device_ = std::move(*device);
  return {};
}

}  // namespace forager::runtime

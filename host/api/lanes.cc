// SPDX-License-Identifier: Apache-2.0
#include "api/lanes.h"

#include <algorithm>

#include "syscall/process.h"

namespace forager::api {

std::unique_ptr<Lanes::Lane> Lanes::take() {
  const std::lock_guard guard(mutex_);
  const auto least = std::ranges::min_element(users_);
  auto lane = std::make_unique<Lane>(*this, static_cast<unsigned>(least - users_.begin()));
  ++*least;
  return lane;
}

void Lanes::release(unsigned number) {
  const std::lock_guard guard(mutex_);
  --users_[number];
}

// Never destroyed: a device may be a static object of the user's.
Lanes& lanes() {
  static auto& only = *new Lanes(syscall::process().runtime.environment.cpus);
  return only;
}

}  // namespace forager::api

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/awake.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace forager::jit::opencl {

Awake::Awake() : file_(open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC)) {
  const std::int32_t most_us = 0;
  const bool told = granted() && write(file_, &most_us, sizeof most_us) == sizeof most_us;
  if (granted() && !told) close(std::exchange(file_, -1));
}

Awake::~Awake() {
  if (granted()) close(file_);
}

}  // namespace forager::jit::opencl

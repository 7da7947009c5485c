// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/features.h"

#include <asmjit/core.h>

namespace forager::jit {
namespace {

std::uint32_t detect() {
  const asmjit::CpuFeatures& cpu = asmjit::CpuInfo::host().features();
  std::uint32_t found = 0;
#if defined(__x86_64__)
  if (cpu.x86().hasBMI2()) found |= Features::kBmi2;
  if (cpu.x86().hasMOVBE()) found |= Features::kMovbe;
#elif defined(__aarch64__)
  if (cpu.arm().hasLSE()) found |= Features::kLse;
#endif
  return found;
}

}  // namespace

std::uint32_t host_features() {
  static const std::uint32_t kFound = detect();
  return kFound;
}

}  // namespace forager::jit

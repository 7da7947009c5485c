// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/features.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace forager::jit {
namespace {

// By what the C library asked at start-up: CPUID leaves a virtual machine, asmjit's 40 of them take longer than most
// programs' compilation.
std::uint32_t detect() {
  std::uint32_t found = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("bmi2")) found |= Features::kBmi2;
  if (__builtin_cpu_supports("movbe")) found |= Features::kMovbe;
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ATOMICS) != 0) found |= Features::kLse;
#endif
  return found;
}

}  // namespace

std::uint32_t host_features() {
  static const std::uint32_t kFound = detect();
  return kFound;
}

}  // namespace forager::jit

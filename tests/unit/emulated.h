// SPDX-License-Identifier: Apache-2.0
//
// Whether qemu-user runs this process, for tests of what it cannot show: /proc/self then tells of the emulator as well,
// whose name is the only thing there that gives it away.
//
// Tested by: the tests that skip by it under `./dev arm64`, and run elsewhere.
#pragma once

#include <fstream>
#include <string>

namespace forager::testing {

inline bool is_emulated() {
  std::string name;
  std::ifstream("/proc/self/comm") >> name;
  return name.starts_with("qemu-");
}

}  // namespace forager::testing

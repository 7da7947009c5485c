// SPDX-License-Identifier: Apache-2.0
//
// FrameLayout: where a device that shares the host's memory finds a frame's parts, in bytes from its first.
//
// Tested by: tests/unit/exec_frame_test.cc.
#pragma once

#include <cstdint>

namespace forager::exec {

struct FrameLayout {
  // False: the buffer's address does not stand where it is looked for, and frames have to be asked.
  bool known = false;
  std::uint32_t size = 0;  // from one frame of a batch to the next
  std::uint32_t context = 0, return_value = 0;
  std::uint32_t buffer = 0;  // the addresses of its first byte, and behind its last
  std::uint32_t data_meta = 0, data = 0, data_end = 0, packet_end = 0, reserve = 0, head_limit = 0;
  // has_results: 0 if there are no results, 2 if there is nothing but a redirect's two numbers, otherwise 1.
  std::uint32_t has_results = 0, redirect_port = 0, redirect_type = 0;

  [[nodiscard]] static const FrameLayout& get();
};

}  // namespace forager::exec

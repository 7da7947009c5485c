// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/edges.h"

#include <fmt/format.h>

#include <cerrno>

namespace forager::jit::rtl {

// The packet is never shorter on the way than it is before or after.
Result<> set_edges(exec::Frame& frame, std::uint32_t meta, std::uint32_t data, std::uint32_t end) {
  const auto wrong = [&] {
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device moved a packet to {} to {}, metadata from {}", data, end, meta));
  };
  if (meta > data || data > end || end > exec::kFrameBytes) return wrong();
  const auto by = [](std::uint32_t to, std::uint32_t from) {
    return static_cast<std::int32_t>(to) - static_cast<std::int32_t>(from);
  };
  int error = 0;
  const auto move_tail = [&] {
    if (error == 0 && end != frame.data_end()) error = frame.adjust_tail(by(end, frame.data_end()));
  };
  if (data > frame.data()) move_tail();
  if (data != frame.data()) error = frame.adjust_head(by(data, frame.data()));
  move_tail();
  if (error == 0 && meta != frame.data_meta()) error = frame.adjust_meta(by(meta, frame.data_meta()));
  return error == 0 ? Result<>{} : wrong();
}

}  // namespace forager::jit::rtl

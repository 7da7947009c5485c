// SPDX-License-Identifier: Apache-2.0
#include "exec/frame_layout.h"

#include <cstring>

#include "exec/frame.h"

namespace forager::exec {
namespace {

template <class T>
std::uint32_t offset_of(const Frame& frame, const T& part) {
  return static_cast<std::uint32_t>(reinterpret_cast<const std::byte*>(&part) -
                                    reinterpret_cast<const std::byte*>(&frame));
}

// A vector of the library that we are built with: whether it is two addresses to begin with.
bool begins_with_addresses(const std::vector<std::byte>& buffer) {
  struct Words {
    const std::byte *first, *last;
  };
  if constexpr (sizeof(std::vector<std::byte>) < sizeof(Words)) return false;
  Words words{};
  std::memcpy(&words, static_cast<const void*>(&buffer), sizeof words);
  return words.first == buffer.data() && words.last == buffer.data() + buffer.size();
}

}  // namespace

const FrameLayout& FrameLayout::get() {
  static const FrameLayout kLayout = [] {
    Frame frame;
    frame.buffer_.resize(100);
    frame.buffer_.resize(60);
    return FrameLayout{.known = begins_with_addresses(frame.buffer_),
                       .size = sizeof(Frame),
                       .context = offset_of(frame, frame.context),
                       .return_value = offset_of(frame, frame.return_value),
                       .buffer = offset_of(frame, frame.buffer_),
                       .data_meta = offset_of(frame, frame.data_meta_),
                       .data = offset_of(frame, frame.data_),
                       .data_end = offset_of(frame, frame.data_end_),
                       .packet_end = offset_of(frame, frame.packet_end_),
                       .reserve = offset_of(frame, frame.reserve_),
                       .head_limit = offset_of(frame, frame.head_limit_),
                       .has_results = offset_of(frame, frame.has_results_),
                       .redirect_port = offset_of(frame, frame.results_.redirect.ifindex),
                       .redirect_type = offset_of(frame, frame.results_.redirect.map_type)};
  }();
  return kLayout;
}

}  // namespace forager::exec

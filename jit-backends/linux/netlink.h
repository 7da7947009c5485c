// SPDX-License-Identifier: Apache-2.0
//
// As much rtnetlink as setting up a network takes: build a request, send it, hear yes or an errno.
//
// Our own 100 lines rather than libmnl: four kinds of request are sent, none is parsed, and a dependency would stand in
// the demo's package list.
//
// Tested by: tests/unit/linux_network_test.cc.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "jit-backends/linux/raw_bpf.h"

namespace forager::jit::linux_kernel {

class NetlinkRequest {
 public:
  // type: RTM_*; flags: NLM_F_* besides REQUEST and ACK; header: the family's fixed part.
  template <class Header>
  NetlinkRequest(std::uint16_t type, std::uint16_t flags, const Header& header) : NetlinkRequest(type, flags) {
    append(&header, sizeof(header));
  }

  NetlinkRequest& put(std::uint16_t attribute, const void* data, std::size_t size);
  NetlinkRequest& put_u32(std::uint16_t attribute, std::uint32_t value) {
    return put(attribute, &value, sizeof(value));
  }
  NetlinkRequest& put_text(std::uint16_t attribute, std::string_view text) {
    return put(attribute, text.data(), text.size());
  }
  // Attributes put between open_nest and close_nest are inside the attribute.
  std::size_t open_nest(std::uint16_t attribute);
  void close_nest(std::size_t nest);

  // The message, with its length filled in.
  [[nodiscard]] std::span<const std::byte> finish(std::uint32_t sequence);

 private:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);
  void append(const void* data, std::size_t size);

  std::vector<std::byte> bytes_;
};

class NetlinkSocket {
 public:
  // 0 or a negative errno. The socket belongs to the network namespace of the calling thread.
  [[nodiscard]] int open();
  // The kernel's answer: 0 or a negative errno.
  [[nodiscard]] int send(NetlinkRequest& request);

 private:
  [[nodiscard]] int answer() const;

  Fd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace forager::jit::linux_kernel

// SPDX-License-Identifier: Apache-2.0
//
// PcapReader: an ingress port fed from a capture file (pcap or pcapng, by libpcap).
//
// Captures are hostile: libpcap bounds every length by the file's snapshot length, and this reader refuses what is no
// Ethernet and packets over exec::kMaxPacketBytes. Every error names the file and the packet at which it stopped.
//
// Tested by: tests/unit/sim_ports_test.cc, tests/fuzz/pcap_fuzz.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "forager/result.h"

struct pcap;

namespace forager::sim {

struct CapturedPacket {
  std::vector<std::byte> bytes;       // as captured (may be shorter than on the wire)
  std::uint64_t timestamp_ns = 0;     // since the epoch
  std::uint32_t original_length = 0;  // on the wire
};

class PcapReader {
 public:
  // Errors: input (no such file, no capture, link type other than Ethernet).
  [[nodiscard]] static Result<PcapReader> open(const std::string& path);

  // The next packet, or nothing at the end. Errors: input (truncated in the middle of a packet, absurd lengths).
  [[nodiscard]] Result<std::optional<CapturedPacket>> next();

 private:
  struct Close {
    void operator()(pcap* handle) const;
  };
  PcapReader(std::string path, std::unique_ptr<pcap, Close> handle)
      : path_(std::move(path)), handle_(std::move(handle)) {}

  std::string path_;
  std::unique_ptr<pcap, Close> handle_;
  std::uint64_t count_ = 0;
};

// All packets of a capture. Errors as open() and next().
[[nodiscard]] Result<std::vector<CapturedPacket>> read_capture(const std::string& path);

}  // namespace forager::sim

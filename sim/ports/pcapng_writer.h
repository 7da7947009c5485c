// SPDX-License-Identifier: Apache-2.0
//
// PcapngWriter: an egress capture that carries verdicts.
//
// libpcap writes no pcapng, so the three block types needed are written here (draft-ietf-opsawg-pcapng): a section
// header, one interface description per port, and an enhanced packet block per packet with the standard options
// epb_verdict (type 2: XDP action), epb_packetid and a comment that tools such as Wireshark show.
//
// The file appears under its name only when finish() succeeds, so an interrupted or failed run leaves no half-written
// capture; a path that is no regular file (/dev/null, a FIFO) is written straight.
//
// Tested by: tests/unit/sim_ports_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "forager/result.h"

namespace forager::sim {

struct EgressPacket {
  std::span<const std::byte> bytes;
  std::uint64_t timestamp_ns = 0;
  std::uint64_t id = 0;           // position in the input
  std::uint32_t verdict = 0;      // XDP action
  std::string_view verdict_name;  // "XDP_TX"
  std::string_view port;          // where it leaves: "host", "port 3"
};

class PcapngWriter {
 public:
  // Errors: input (the directory or file cannot be written).
  [[nodiscard]] static Result<PcapngWriter> create(const std::string& path);
  PcapngWriter(PcapngWriter&&) noexcept = default;
  PcapngWriter& operator=(PcapngWriter&&) noexcept = default;
  ~PcapngWriter();

  void write(const EgressPacket& packet);

  // Makes the file appear. Errors: input (disk full, ...); then nothing is left behind.
  [[nodiscard]] Result<> finish();
  [[nodiscard]] std::uint64_t packets() const { return packets_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  PcapngWriter(std::string path, std::string temporary, std::unique_ptr<std::FILE, Close> file);
  std::uint32_t interface_of(std::string_view port);
  void put(std::string_view block_bytes);

  std::string path_;
  std::string temporary_;  // empty where the path is written straight
  std::unique_ptr<std::FILE, Close> file_;
  std::map<std::string, std::uint32_t, std::less<>> interfaces_;
  std::uint64_t packets_ = 0;
};

}  // namespace forager::sim

// SPDX-License-Identifier: Apache-2.0
#include "sim/ports/pcap_reader.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "exec/frame.h"

namespace forager::sim {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

std::unexpected<Diagnostic> bad_file(const std::string& path, const std::string& what) {
  return fail(ErrorKind::input, EINVAL, fmt::format("{}: {}", path, what));
}

// libpcap messages may repeat the path; one is enough.
std::string without_path(std::string_view message, const std::string& path) {
  if (message.starts_with(path + ": ")) message.remove_prefix(path.size() + 2);
  return std::string(message);
}

}  // namespace

void PcapReader::Close::operator()(pcap* handle) const { pcap_close(handle); }

Result<PcapReader> PcapReader::open(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  std::unique_ptr<pcap, Close> handle(
      pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, message.data()));
  if (!handle) {
    std::fclose(file);
    return bad_file(
        path, fmt::format("no packet capture ({}); pcap and pcapng are accepted", without_path(message.data(), path)));
  }
  if (const int link = pcap_datalink(handle.get()); link != DLT_EN10MB) {
    const char* name = pcap_datalink_val_to_name(link);
    return bad_file(path, fmt::format("link type {} ({}), but only Ethernet (EN10MB) captures can be run",
                                      name != nullptr ? name : "unknown", link));
  }
  return PcapReader(path, std::move(handle));
}

Result<std::optional<CapturedPacket>> PcapReader::next() {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int status = pcap_next_ex(handle_.get(), &header, &bytes);
  if (status == PCAP_ERROR_BREAK) return std::nullopt;
  if (status != 1) {
    return bad_file(
        path_, fmt::format("unreadable at packet {}: {}", count_, without_path(pcap_geterr(handle_.get()), path_)));
  }
  if (header->caplen > exec::kMaxPacketBytes) {
    auto error = bad_file(path_, fmt::format("packet {} is too long", count_));
    error.error().limit = exec::kMaxPacketBytes;
    error.error().asked = header->caplen;
    return error;
  }
  const auto* first = reinterpret_cast<const std::byte*>(bytes);
  ++count_;
  return CapturedPacket{
      .bytes = {first, first + header->caplen},
      // With nanosecond precision asked for, tv_usec holds nanoseconds.
      .timestamp_ns = static_cast<std::uint64_t>(header->ts.tv_sec) * kNanosecondsPerSecond +
                      static_cast<std::uint64_t>(header->ts.tv_usec),
      .original_length = header->len,
  };
}

Result<std::vector<CapturedPacket>> read_capture(const std::string& path) {
  auto reader = PcapReader::open(path);
  if (!reader) return std::unexpected(reader.error());
  std::vector<CapturedPacket> packets;
  for (;;) {
    auto packet = reader->next();
    if (!packet) return std::unexpected(packet.error());
    if (!*packet) return packets;
    packets.push_back(std::move(**packet));
  }
}

}  // namespace forager::sim

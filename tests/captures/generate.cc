// SPDX-License-Identifier: Apache-2.0
//
// forager_generate_captures OUTDIR: writes OUTDIR/<theme>.pcap for each theme. The same bytes every time and
// everywhere: no clock, no generator of the standard library's distributions, and files written in little-endian order.
//
// Tested by: every test that reads a capture; tests/captures/CMakeLists.txt runs it in the build.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

struct Theme {
  const char* name;
  Frames (*make)();
};

constexpr Theme kThemes[] = {
    {"mixed", mixed}, {"firewall", firewall}, {"router", router}, {"lb", lb},         {"tunnel", tunnel},
    {"nat", nat},     {"vlan", vlan},         {"large", large},   {"jumbo", jumbo},   {"tiny", tiny},
    {"imix", imix},   {"full", full},         {"tlv", tlv},       {"policy", policy},
};

constexpr std::uint32_t kMagic = 0xa1b2c3d4;  // pcap with microseconds
constexpr std::uint32_t kVersion = 2 | 4 << 16;
constexpr std::uint32_t kSnapLength = 65535;
constexpr std::uint32_t kLinkEthernet = 1;
constexpr std::uint32_t kFirstSecond = 1'700'000'000;

void put_word(std::string& file, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) file.push_back(static_cast<char>(value >> shift));
}

// One frame per microsecond.
void put_frame(std::string& file, std::uint32_t number, const Bytes& frame) {
  const auto length = static_cast<std::uint32_t>(frame.size());
  for (const std::uint32_t word : {kFirstSecond, number, length, length}) put_word(file, word);
  file.append(frame.begin(), frame.end());
}

std::string pcap_of(const Frames& frames) {
  std::string file;
  for (const std::uint32_t word : {kMagic, kVersion, 0U, 0U, kSnapLength, kLinkEthernet}) put_word(file, word);
  for (std::uint32_t i = 0; i < frames.size(); i++) put_frame(file, i, frames[i]);
  return file;
}

bool write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (!file) std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
  return !file.fail();
}

}  // namespace
}  // namespace forager::captures

int main(int count, char** arguments) {
  namespace captures = forager::captures;
  if (count != 2) {
    std::fprintf(stderr, "usage: %s OUTDIR\n", arguments[0]);
    return 2;
  }
  for (const captures::Theme& theme : captures::kThemes) {
    const auto path = std::filesystem::path(arguments[1]) / (std::string(theme.name) + ".pcap");
    if (!captures::write(path, captures::pcap_of(theme.make()))) return 1;
  }
  return 0;
}

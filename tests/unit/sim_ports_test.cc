// SPDX-License-Identifier: Apache-2.0
//
// Ports: captures in, pcapng out, and what hostile files get told.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "sim/ports/pcap_reader.h"
#include "sim/ports/pcapng_writer.h"

namespace forager::sim {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class Ports : public testing::Test {
 protected:
  Ports() : directory_(fs::temp_directory_path() / ("forager_ports_" + std::to_string(::getpid()))) {
    fs::create_directories(directory_);
  }
  ~Ports() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string save(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  fs::path directory_;
};

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A classic pcap file with one packet record of the given lengths and `bytes`.
std::string pcap(std::uint32_t link, std::uint32_t caplen, const std::string& bytes) {
  std::string out;
  append(out, std::uint32_t{0xa1b2c3d4});
  append(out, std::uint16_t{2});
  append(out, std::uint16_t{4});
  append(out, std::uint64_t{0});
  append(out, std::uint32_t{65535});
  append(out, link);
  append(out, std::uint32_t{7});  // seconds
  append(out, std::uint32_t{9});  // microseconds
  append(out, caplen);
  append(out, caplen);
  return out + bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST_F(Ports, ReadsPcapWithNanosecondTimes) {
  auto packets = read_capture(save("a.pcap", pcap(1, 4, "abcd")));
  ASSERT_TRUE(packets) << packets.error().text();
  ASSERT_EQ(packets->size(), 1U);
  EXPECT_EQ(packets->front().bytes.size(), 4U);
  EXPECT_EQ(packets->front().timestamp_ns, 7'000'009'000ULL);
  EXPECT_EQ(packets->front().original_length, 4U);
}

TEST_F(Ports, RefusesOtherLinkTypes) {
  auto packets = read_capture(save("raw.pcap", pcap(101, 4, "abcd")));
  ASSERT_FALSE(packets);
  EXPECT_EQ(packets.error().kind, ErrorKind::input);
  EXPECT_THAT(packets.error().text(), HasSubstr("raw.pcap"));
  EXPECT_THAT(packets.error().text(), HasSubstr("only Ethernet"));
}

TEST_F(Ports, NamesThePacketWhereACaptureBreaksOff) {
  auto packets = read_capture(save("cut.pcap", pcap(1, 60, "only this")));
  ASSERT_FALSE(packets);
  EXPECT_THAT(packets.error().text(), HasSubstr("unreadable at packet 0"));
}

TEST_F(Ports, RefusesAbsurdLengths) {
  auto packets = read_capture(save("huge.pcap", pcap(1, 0x7fffffff, "x")));
  ASSERT_FALSE(packets);
  EXPECT_THAT(packets.error().text(), HasSubstr("huge.pcap"));
}

TEST_F(Ports, RefusesWhatIsNoCapture) {
  auto packets = read_capture(save("text", "hello, I am no capture at all"));
  ASSERT_FALSE(packets);
  EXPECT_THAT(packets.error().text(), HasSubstr("pcap and pcapng are accepted"));
  EXPECT_FALSE(read_capture(path("missing")));
}

TEST_F(Ports, PcapngRoundTripsPacketsAndKeepsTheVerdict) {
  const std::string out = path("out.pcapng");
  auto writer = PcapngWriter::create(out);
  ASSERT_TRUE(writer) << writer.error().text();
  const std::string payload = "0123456789abcde";
  writer->write({bytes_of(payload), 5'000'000'123, 17, 3, "XDP_TX", "port 1"});
  writer->write({bytes_of(payload), 5'000'000'124, 18, 2, "XDP_PASS", "host"});
  EXPECT_FALSE(fs::exists(out)) << "the file must not appear before it is whole";
  ASSERT_TRUE(writer->finish());

  auto packets = read_capture(out);
  ASSERT_TRUE(packets) << packets.error().text();
  ASSERT_EQ(packets->size(), 2U);
  EXPECT_EQ(packets->at(0).timestamp_ns, 5'000'000'123ULL);
  EXPECT_EQ(std::memcmp(packets->at(1).bytes.data(), payload.data(), payload.size()), 0);
  std::ifstream file(out, std::ios::binary);
  const std::string raw{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(raw, HasSubstr("verdict=XDP_TX port=port 1 packet=17"));
  EXPECT_THAT(raw, HasSubstr(std::string("\x07\x00\x09\x00\x02\x03\x00", 7)));  // epb_verdict: type XDP, value 3
}

TEST_F(Ports, AnAbandonedWriterLeavesNothing) {
  {
    ASSERT_TRUE(PcapngWriter::create(path("gone.pcapng")));
  }
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(Ports, SaysWhyAnOutputCannotBeWritten) {
  auto writer = PcapngWriter::create(path("no/such/directory.pcapng"));
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().text(), HasSubstr("cannot write: No such file or directory"));
  auto full = PcapngWriter::create("/dev/full");
  ASSERT_TRUE(full);
  EXPECT_FALSE(full->finish());
}

}  // namespace
}  // namespace forager::sim

// SPDX-License-Identifier: Apache-2.0
//
// Waveforms around an event: FST files that are whole, and as long as was asked for.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "jit-backends/rtl/wave_event.h"

namespace forager::jit::rtl {
namespace {

namespace fs = std::filesystem;
using exec::Frame;
using exec::testing::Bytes;
using ::testing::HasSubstr;

constexpr const char* kByFirstByte =
    "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 +0)\n"
    "if r0 == 1 goto drop\nout: r0 = 2\nexit\ndrop: r0 = 1\nexit";

class RtlWave : public ::testing::Test {
 protected:
  RtlWave() { fs::create_directories(directory_); }
  ~RtlWave() override { fs::remove_all(directory_); }

  // Runs packets of which one is dropped; the cycles of the run.
  void run(exec::Simulation simulation, unsigned dropped) {
    simulation.wave = path();
    const auto program = exec::testing::verified({}, kByFirstByte);
    auto image = backend().compile(program, {});
    ASSERT_TRUE(image);
    auto device = backend().open({.environment = &exec::testing::plain_environment(), .simulation = simulation});
    ASSERT_TRUE(device);
    const auto loaded = (*device)->load(*image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    std::vector<Frame> frames;
    for (unsigned i = 0; i < 400; ++i) {
      Bytes packet(64);
      packet[0] = i == dropped ? 1 : 0;
      frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
    }
    ASSERT_TRUE((*device)->run(frames));
  }
  [[nodiscard]] std::string path() const { return directory_ / "out.fst"; }

  // The first and the last time in a file's header: fst_block_type 0, its length, then two big-endian numbers of 64
  // bits.
  struct Times {
    std::uint64_t first = 0, last = 0;
  };
  static Times times_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_GT(bytes.size(), 329U) << "a header's length";
    if (bytes.size() <= 329) return {};
    EXPECT_EQ(bytes[0], 0) << "begins with a header";
    const auto number = [&](std::size_t at) {
      std::uint64_t value = 0;
      for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
      return value;
    };
    return {.first = number(9), .last = number(17)};
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_ = fs::temp_directory_path() / ("forager-wave-" + std::to_string(::getpid()));
};

TEST_F(RtlWave, OfAllOfARun) {
  run({}, 400);
  const Times times = times_of(path());
  EXPECT_LT(times.first, 100U) << "after the first registers were read";
  EXPECT_GT(times.last, 2U * 400U) << "two edges a cycle, a cycle a packet at the least";
  EXPECT_EQ(files(), 1U);
}

TEST_F(RtlWave, AroundAVerdict) {
  run({.wave_on = "verdict:DROP", .wave_before = 100, .wave_after = 50}, 300);
  const Times times = times_of(path());
  EXPECT_GT(times.first, 0U);
  EXPECT_GE(times.last - times.first, 2U * 50U);
  EXPECT_LE(times.last - times.first, 2U * (2U * 100U + 50U) + 2U);
  const bool begins_late = times.last - times.first < 2U * 150U;
  EXPECT_EQ(files(), begins_late ? 2U : 1U) << "what was before it stands beside it";
}

TEST_F(RtlWave, AroundAPacketAndAnInstruction) {
  run({.wave_on = "packet:200", .wave_before = 20, .wave_after = 10}, 400);
  const Times packet = times_of(path());
  EXPECT_GT(packet.first, 0U);
  fs::remove_all(directory_);
  fs::create_directories(directory_);
  run({.wave_on = "pc:9", .wave_before = 20, .wave_after = 10}, 200);
  const Times instruction = times_of(path());
  EXPECT_GT(instruction.first, packet.first / 2);
  EXPECT_GE(instruction.last - instruction.first, 20U);
}

TEST_F(RtlWave, OfNothingIsNoFile) {
  run({.wave_on = "verdict:TX", .wave_before = 50}, 400);
  EXPECT_EQ(files(), 0U);
}

TEST(RtlWaveEvent, OtherSpellingsAreRefused) {
  EXPECT_TRUE(parse_wave_event("verdict:XDP_PASS")->is(WaveEvent::Kind::verdict, 2));
  EXPECT_TRUE(parse_wave_event("verdict:7")->is(WaveEvent::Kind::verdict, 7));
  EXPECT_EQ(parse_wave_event("")->kind, WaveEvent::Kind::none);
  for (const char* text : {"verdict", "verdict:", "verdict:NONE", "packet:-1", "packet:1x", "cycle:5", ":3"}) {
    const auto event = parse_wave_event(text);
    ASSERT_FALSE(event) << text;
    EXPECT_THAT(event.error().message, HasSubstr("no event of a waveform"));
  }
}

}  // namespace
}  // namespace forager::jit::rtl

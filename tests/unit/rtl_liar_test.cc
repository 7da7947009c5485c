// SPDX-License-Identifier: Apache-2.0
//
// Boards that lie: the device behind them is the real one, but what it says is changed on the way. Whatever it says,
// the host ends with an error in one line, in its own memory and after some time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <random>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "jit-backends/rtl/device.h"
#include "jit-backends/rtl/isa/core_isa.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::verified;
using isa::MapType;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What it makes of what the device says.
struct Lies {
  std::function<std::uint32_t(std::uint32_t offset, std::uint32_t value)> registers;
  std::function<void(std::uint32_t first, std::span<std::byte> rows)> rows;
  std::function<bool(sim::Departure&)> departures;  // false: it is lost
  bool interrupts = false;                          // always
};

class Liar final : public sim::Board {
 public:
  explicit Liar(const Lies& lies) : Board("small"), lies_(lies) {}

  bool interrupt() const override { return lies_.interrupts || Board::interrupt(); }
  Result<std::uint32_t> read(std::uint32_t offset) override {
    auto value = Board::read(offset);
    if (value && lies_.registers) value = lies_.registers(offset, *value);
    return value;
  }
  Result<> read_rows(std::uint32_t first, std::span<std::byte> rows) override {
    auto done = Board::read_rows(first, rows);
    if (lies_.rows) lies_.rows(first, rows);
    return done;
  }
  std::optional<sim::Departure> receive() override {
    auto departure = Board::receive();
    if (departure && lies_.departures && !lies_.departures(*departure)) return std::nullopt;
    return departure;
  }

 private:
  const Lies& lies_;
};

MapRef make_map(MapType type) {
  return maps::create({.type = type, .key_size = 4, .value_size = 8, .max_entries = 16, .name = "values"}, 2).value();
}

// A helper of the host's (xdp_load_bytes), an edge that moves, and an update on the device.
constexpr const char* kProgram =
    "r6 = r1\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_xdp_load_bytes\nr7 = r0\n"
    "r1 = r6\nr2 = -8\ncall bpf_xdp_adjust_head\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 16\n"
    "if r4 > r3 goto out\n*(u64 *)(r2 +0) = r7\nr1 = *(u32 *)(r2 +12)\n*(u32 *)(r10 -12) = r1\nr1 = map[values] ll\n"
    "r2 = r10\nr2 += -12\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_map_update_elem\nr0 = 2\nexit\nout: r0 = 1\nexit";

// What a liar's device says of a batch, and of the next: empty if it has nothing against either.
class Victim {
 public:
  explicit Victim(const Lies& lies, std::string text = kProgram)
      : text_(std::move(text)),
        device_(make_device({.environment = &exec::testing::plain_environment(),
                             .order = exec::Order::none,
                             .instruction_budget = 1024},
                            std::make_unique<Liar>(lies))) {}

  std::string load() {
    const auto image = backend().compile(verified({.maps = {map_}}, text_), {});
    const auto loaded = device_->load(*image);
    if (!loaded) return loaded.error().text();
    EXPECT_TRUE(device_->bind(0, map_));
    return "";
  }
  std::string run(std::size_t packets = 6) {
    std::vector<Frame> frames;
    for (std::size_t i = 0; i < packets; ++i) {
      Bytes packet(64 + 10 * i);
      packet[4] = static_cast<std::uint8_t>(i);
      frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
    }
    const auto ran = device_->run(frames);
    return ran ? "" : ran.error().text();
  }
  std::string load_and_run() {
    const std::string refused = load();
    return refused.empty() ? run() : refused;
  }

 private:
  MapRef map_ = make_map(MapType::hash);
  std::string text_;
  std::unique_ptr<exec::Device> device_;
};

std::string told(const Lies& lies) { return Victim(lies).load_and_run(); }

Lies lie_about(std::uint32_t offset, std::uint32_t value) {
  return {.registers = [=](std::uint32_t at, std::uint32_t truth) { return at == offset ? value : truth; }};
}
Lies lie_about(CoreRegister which, std::uint32_t value) { return lie_about(offset_of(which), value); }

TEST(RtlLiar, TellsTheTruthWithoutLies) { EXPECT_EQ(told({}), ""); }

// ---- what it is ----------------------------------------------------------------------------------------------------

TEST(RtlLiar, Geometry) {
  constexpr CoreRegister kSaid[] = {CoreRegister::Id,           CoreRegister::Threads,    CoreRegister::Slots,
                                    CoreRegister::StackRow,     CoreRegister::ScratchRow, CoreRegister::MapMemoryRow,
                                    CoreRegister::MapMemoryRows};
  for (const CoreRegister which : kSaid) {
    for (const std::uint32_t value : {0xffffffffU, 0x80000000U, 0x00500000U}) {
      EXPECT_THAT(told(lie_about(which, value)), HasSubstr("no forager device")) << offset_of(which) << " " << value;
    }
  }
  for (const CoreRegister which : {CoreRegister::Threads, CoreRegister::Slots, CoreRegister::ScratchRow}) {
    EXPECT_THAT(told(lie_about(which, 0)), HasSubstr("no forager device")) << offset_of(which);
  }
}

TEST(RtlLiar, InstructionMemory) {
  EXPECT_THAT(told(lie_about(CoreRegister::Bundles, 3)), HasSubstr("does not fit the device's instruction memory"));
  EXPECT_THAT(told(lie_about(CoreRegister::Bundles, 0xffffffff)), HasSubstr("no forager device"));
}

// ---- what it asks --------------------------------------------------------------------------------------------------

TEST(RtlLiar, Requests) {
  constexpr const char* kNotGiven = "that it was not given";
  EXPECT_THAT(told(lie_about(CoreRegister::ThreadTag, 0x1234567)), HasSubstr(kNotGiven));
  EXPECT_THAT(told(lie_about(CoreRegister::ThreadDepth, 8)), HasSubstr(kNotGiven));
  EXPECT_THAT(told(lie_about(CoreRegister::ThreadSlot, 8)), HasSubstr(kNotGiven));
  EXPECT_THAT(told(lie_about(CoreRegister::RequestPc, 60000)), HasSubstr(kNotGiven));
  for (const std::uint32_t pending : {1U << 4, 1U << 31}) {
    EXPECT_THAT(told(lie_about(CoreRegister::Pending, pending)), HasSubstr(kNotGiven)) << pending;
  }
}

// Each bundle of the program in turn: those that ask nobody may not be asked about.
TEST(RtlLiar, BundlesThatAskNothing) {
  unsigned refused = 0;
  for (std::uint32_t pc = 0; pc < 24; ++pc) {
    refused += told(lie_about(CoreRegister::RequestPc, pc)).find("that it was not given") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(refused, 8U);
}

TEST(RtlLiar, EdgesOfThePacket) {
  for (const CoreRegister which : {CoreRegister::ThreadMeta, CoreRegister::ThreadData, CoreRegister::ThreadEnd}) {
    for (const std::uint32_t value : {0x80000000U, 0xffffffffU, 8191U, 3U}) {
      EXPECT_THAT(told(lie_about(which, value)), HasSubstr("the device moved a packet to")) << value;
    }
  }
}

TEST(RtlLiar, AsksWithoutEnd) {
  Lies lies = lie_about(CoreRegister::Pending, 1);
  lies.interrupts = true;
  lies.departures = [](sim::Departure&) { return false; };
  EXPECT_THAT(told(lies), ::testing::AnyOf(HasSubstr("asks without end"), HasSubstr("that it was not given")));
  lies.registers = {};
  EXPECT_THAT(told(lies), HasSubstr("asks without end"));
}

// ---- what it sends -------------------------------------------------------------------------------------------------

TEST(RtlLiar, Packets) {
  const auto sends = [](auto change) {
    return told({.departures = [=](sim::Departure& departure) {
      change(departure);
      return true;
    }});
  };
  EXPECT_THAT(sends([](auto& sent) { sent.tag += 1; }), HasSubstr("which it was not given"));
  EXPECT_THAT(sends([](auto& sent) { sent.tag = 77; }), HasSubstr("which it was not given"));
  EXPECT_THAT(sends([](auto& sent) { sent.end += 1; }), HasSubstr("bytes of a packet that has"));
  EXPECT_THAT(sends([](auto& sent) { sent.bytes.clear(); }), HasSubstr("0 bytes of a packet that has"));
  EXPECT_THAT(sends([](auto& sent) { sent.bytes.resize(100000); }), HasSubstr("100000 bytes"));
  EXPECT_THAT(sends([](auto& sent) { sent.data = 8191; }), HasSubstr("the device moved a packet"));
  EXPECT_THAT(sends([](auto& sent) { sent.end = 5; }), HasSubstr("the device moved a packet"));
  EXPECT_THAT(sends([](auto& sent) { sent.cause = 12; }), HasSubstr("for no cause that there is"));
  EXPECT_THAT(sends([](auto& sent) { sent.cause = static_cast<std::uint8_t>(CoreCause::Host); }),
              HasSubstr("for no cause that there is"));
  EXPECT_THAT(sends([](auto& sent) {
                sent.cause = static_cast<std::uint8_t>(CoreCause::Bounds);
                sent.pc = 65535;
              }),
              HasSubstr("for no cause that there is"));
  EXPECT_THAT(sends([](auto& sent) { sent.redirect = {.kind = sim::Redirection::entry, .map = 63, .value = 1}; }),
              HasSubstr("by a map that it was not given"));
  EXPECT_THAT(sends([](auto& sent) { sent.redirect.kind = static_cast<sim::Redirection::Kind>(3); }),
              HasSubstr("in a way that there is not"));
}

// Any bundle may be said to have stopped a packet: those that are no instruction's too.
TEST(RtlLiar, CausesAtAnyBundle) {
  for (std::uint16_t pc = 0; pc < 64; ++pc) {
    const std::string said = told({.departures = [=](sim::Departure& sent) {
      sent.cause = static_cast<std::uint8_t>(CoreCause::Bounds);
      sent.pc = pc;
      return true;
    }});
    EXPECT_TRUE(said.empty() || said.find("for no cause") != std::string::npos) << said;
  }
}

TEST(RtlLiar, KeepsItsPackets) {
  EXPECT_THAT(told({.departures = [](sim::Departure&) { return false; }}), HasSubstr("stands still"));
}

// Frames of a batch that failed are gone when the device gives its packets back.
TEST(RtlLiar, TakesNoBatchAfterAnError) {
  bool lost = true;
  const Lies lies{.departures = [&](sim::Departure& departure) {
    departure.tag ^= lost ? 0x100U : 0;
    lost = false;
    return true;
  }};
  Victim victim(lies);
  EXPECT_THAT(victim.load_and_run(), HasSubstr("which it was not given"));
  EXPECT_THAT(victim.run(), HasSubstr("the device failed before"));
  EXPECT_THAT(victim.load(), HasSubstr("the device failed before"));
}

// ---- what its tables hold ------------------------------------------------------------------------------------------

TEST(RtlLiar, Tables) {
  const auto tables = [](std::uint32_t word) {
    return told({.rows = [=](std::uint32_t, std::span<std::byte> rows) {
      for (std::size_t at = 0; at + 4 <= rows.size(); at += 4) std::memcpy(rows.data() + at, &word, sizeof word);
    }});
  };
  for (const std::uint32_t word : {0x00ffffffU, 1U, 17U, 18U, 0xff000001U}) {
    EXPECT_THAT(tables(word), HasSubstr("makes no sense")) << word;
  }
}

// ---- what it is not asked ------------------------------------------------------------------------------------------

// A batch of packets on a device whose answers are watched. Each packet's first word is its number modulo `keys`.
void run_watched(const Lies& watch, const std::string& text, const std::vector<MapRef>& maps, std::size_t packets,
                 std::uint32_t keys) {
  const auto device = make_device({.environment = &exec::testing::plain_environment(), .order = exec::Order::none},
                                  std::make_unique<Liar>(watch));
  ASSERT_TRUE(device->load(*backend().compile(verified({.maps = maps}, text), {})));
  for (std::uint32_t i = 0; i < maps.size(); ++i) ASSERT_TRUE(device->bind(i, maps[i]));
  std::vector<Frame> frames;
  for (std::uint32_t i = 0; i < packets; ++i) {
    Bytes packet(64);
    packet[0] = static_cast<std::uint8_t>(i % keys);
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
  }
  const auto ran = device->run(frames);
  ASSERT_TRUE(ran) << ran.error().text();
}

const std::string kKey =
    "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\n"
    "r8 = *(u32 *)(r6 +0)\n*(u32 *)(r10 -4) = r8\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n";
const std::string kFind = kKey +
                          "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 +0)\nexit\n"
                          "out: r0 = 1\nexit";

// What programs only read does not come back; of an LRU map, which entries were used.
TEST(RtlLiar, RowsOfMapsThatAreOnlyRead) {
  std::size_t rows = 0;
  const Lies watch{.rows = [&](std::uint32_t, std::span<std::byte> read) { rows += read.size() / sim::kRowBytes; }};
  for (const MapType type : {MapType::array, MapType::hash, MapType::percpu_hash}) {
    run_watched(watch, kFind, {make_map(type)}, 4, 4);
    EXPECT_EQ(rows, 0U);
  }
  const MapRef map = make_map(MapType::lru_hash);
  const std::uint64_t value = 5;
  for (std::uint32_t key = 0; key < 16; ++key) ASSERT_EQ(map->update(&key, &value, 0, 0), 0);
  run_watched(watch, kFind, {map}, 4, 2);
  EXPECT_EQ(rows, 2U) << "links of 18 nodes";
  for (std::uint32_t key = 100; key < 103; ++key) ASSERT_EQ(map->update(&key, &value, 0, 0), 0);
  const auto has = [&](std::uint32_t key) { return map->read(&key, std::array<std::byte, 8>().data(), 0) == 0; };
  EXPECT_TRUE(has(0) && has(1)) << "they were used";
  EXPECT_FALSE(has(2)) << "it was the oldest";
}

// One map is the host's for an update; what its user writes in another one meanwhile does not undo what threads count
// there.
TEST(RtlLiar, UsersWriteWhileTheHostUpdates) {
  const MapRef map = make_map(MapType::lru_hash),
               counts =
                   maps::create(
                       {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "counts"}, 2)
                       .value();
  std::uint64_t written = 0;
  const Lies watch{.rows = [&](std::uint32_t, std::span<std::byte>) {
    const std::uint32_t key = 4;
    ++written;
    ASSERT_EQ(counts->write(&key, &written, 0), 0);
  }};
  const std::string text =
      kKey +
      "*(u64 *)(r10 -16) = 0\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_map_update_elem\nr9 = 0\nagain: "
      "*(u32 *)(r10 -4) = 3\nr1 = map[counts] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
      "r1 = 1\nlock *(u64 *)(r0 +0) += r1\nr9 += 1\nif r9 < 50 goto again\nr0 = 2\nexit\nout: r0 = 1\nexit";
  run_watched(watch, text, {map, counts}, 100, 50);
  const std::uint32_t key = 3;
  std::uint64_t counted = 0;
  ASSERT_EQ(counts->read(&key, &counted, 0), 0);
  EXPECT_EQ(counted, 5000U);
  EXPECT_GT(written, 30U);
}

// ---- anything ------------------------------------------------------------------------------------------------------

// Some bit of some answer is another one.
TEST(RtlLiar, FlippedBits) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    std::size_t left = random() % 400;
    const auto flips = [&] { return left-- == 0; };
    const Lies lies{
        .registers = [&](std::uint32_t, std::uint32_t value) { return flips() ? value ^ 1U << random() % 32 : value; },
        .rows =
            [&](std::uint32_t, std::span<std::byte> rows) {
              if (flips()) rows[random() % rows.size()] ^= std::byte{static_cast<std::uint8_t>(1 << random() % 8)};
            },
        .departures =
            [&](sim::Departure& sent) {
              if (flips()) sent.tag ^= 1U << random() % 4;
              if (flips()) sent.pc ^= static_cast<std::uint16_t>(1 << random() % 16);
              if (flips()) sent.cause ^= static_cast<std::uint8_t>(1 << random() % 4);
              if (flips()) sent.end ^= static_cast<std::uint16_t>(1 << random() % 13);
              return true;
            }};
    EXPECT_THAT(told(lies), AllOf(Not(HasSubstr("\n")), Not(HasSubstr("does not answer")))) << "seed " << seed;
  }
}

// Arguments of helpers and the stack are what the device says. A record that was not reserved is not committed, memory
// that is not the packet's is not reached: the packet is stopped.
TEST(RtlLiar, ForgedArguments) {
  const std::string reserve =
      "r1 = map[ring] ll\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\n"
      "*(u64 *)(r6 +0) = 1\nr1 = r6\nr2 = 0\ncall bpf_ringbuf_submit\nr0 = 2\nexit\nout: r0 = 1\nexit";
  const std::string load =
      "r6 = r1\nr2 = 0\nr3 = r10\nr3 += -64\nr4 = 64\ncall bpf_xdp_load_bytes\nr1 = r6\nr2 = 4\n"
      "r3 = r10\nr3 += -64\nr4 = 32\ncall bpf_xdp_store_bytes\nr0 = 2\nexit";
  unsigned stopped = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const Lies lies{.rows = [&](std::uint32_t, std::span<std::byte> rows) {
      for (std::size_t i = random() % 6; i < 3; ++i) rows[random() % 40] ^= std::byte{1} << random() % 8;
    }};
    const bool rings = seed % 2 == 0;
    const auto ring = std::make_shared<exec::testing::FakeRing>();
    const auto device = make_device({.environment = &exec::testing::plain_environment(), .instruction_budget = 1024},
                                    std::make_unique<Liar>(lies));
    const std::vector<MapRef> maps = rings ? std::vector<MapRef>{ring} : std::vector<MapRef>{};
    ASSERT_TRUE(device->load(*backend().compile(verified({.maps = maps}, rings ? reserve : load), {})));
    if (rings) ASSERT_TRUE(device->bind(0, ring));
    std::vector<Frame> frames;
    frames.reserve(4);
    for (unsigned i = 0; i < 4; ++i) frames.push_back(*Frame::make(exec::testing::as_bytes(Bytes(80))));
    ASSERT_TRUE(device->run(frames));
    for (const Frame& frame : frames) stopped += frame.results().trap != nullptr ? 1 : 0;
    EXPECT_TRUE(ring->open.empty());
  }
  EXPECT_GT(stopped, 20U);
}

}  // namespace
}  // namespace forager::jit::rtl

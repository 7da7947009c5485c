// SPDX-License-Identifier: Apache-2.0
//
// Random programs of what compilers make of packet programs (rtl_random_program.h), on the interpreter and on the
// simulated core. Results, packets and maps have to be the same.
//
// FORAGER_RTL_RANDOM=FIRST:COUNT runs other programs than those that are always run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "maps/registry.h"
#include "rtl_random_program.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::plain_environment;
using isa::MapType;

// ---- maps, packets, runs -------------------------------------------------------------------------------------------

std::vector<MapRef> make_maps() {
  std::vector<MapRef> maps;
  const auto add = [&](MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries, std::string name) {
    maps.push_back(
        maps::create(
            {.type = type, .key_size = key, .value_size = value, .max_entries = entries, .name = std::move(name)}, 2)
            .value());
  };
  for (const std::uint32_t key : {4U, 8U, 12U, 20U, 40U}) add(MapType::hash, key, 16, 64, fmt::format("h{}", key));
  add(MapType::array, 4, 16, 5, "a16");
  add(MapType::array, 4, 32, 8, "a32");
  return maps;
}

std::vector<Bytes> make_packets(std::uint64_t seed, unsigned count) {
  std::mt19937_64 random(seed);
  std::vector<Bytes> packets;
  for (unsigned i = 0; i < count; ++i) {
    Bytes packet(14 + random() % 187);
    const bool few = random() % 2 == 0;  // values that programs ask for
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(few ? random() % 4 : random());
    constexpr std::uint8_t kFirst[] = {0x45, 0x45, 0x46, 0x4f, 0x40, 0x60};
    if (packet.size() > 14 && random() % 4 != 0) packet[14] = kFirst[random() % std::size(kFirst)];
    packets.push_back(std::move(packet));
  }
  return packets;
}

std::string entries_of(exec::Map& map) {
  std::vector<std::string> entries;
  std::string key(map.spec().key_size, '\0'), next = key, value(map.spec().value_size, '\0');
  for (int more = map.next_key(nullptr, next.data()); more == 0; more = map.next_key(key.data(), next.data())) {
    key = next;
    if (map.read(key.data(), value.data(), 0) != 0) continue;
    std::string entry;
    for (const char byte : key + "=" + value) entry += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    entries.push_back(entry);
  }
  std::ranges::sort(entries);
  return fmt::format("{}:\n{}", map.spec().name, fmt::join(entries, "\n"));
}

using Program = std::shared_ptr<const verifier::VerifiedProgram>;

Program verified_or_null(const std::string& text, const std::vector<MapRef>& maps) {
  program::Source source;
  source.name = "random";
  source.type = isa::ProgType::xdp;
  source.gpl_compatible = true;
  std::vector<std::string> names;
  for (const MapRef& map : maps) {
    source.maps.push_back(map->spec());
    names.push_back(map->spec().name);
  }
  auto slots = program::assemble(text, names);
  EXPECT_TRUE(slots) << slots.error().text();
  if (!slots) return nullptr;
  source.slots = std::move(*slots);
  auto decoded = program::Program::decode(std::move(source));
  if (!decoded) return nullptr;
  auto result = verifier::verify(std::move(*decoded));
  return result.value_or(nullptr);
}

// What is there after a run, as text: one line per packet, then maps.
std::vector<std::string> outcome(const exec::Backend& engine, const Program& program, const std::vector<MapRef>& maps,
                                 const std::vector<Bytes>& packets) {
  auto image = engine.compile(program, {});
  EXPECT_TRUE(image) << image.error().text();
  auto device = engine.open({.environment = &plain_environment(), .instruction_budget = 1 << 20});
  if (!image || !device || !(*device)->load(*image)) return {"no device"};
  for (std::uint32_t i = 0; i < maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, maps[i]));
  std::vector<Frame> frames;
  for (const Bytes& packet : packets) frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
  const auto report = (*device)->run(frames);
  EXPECT_TRUE(report) << report.error().text();
  std::vector<std::string> out;
  for (Frame& frame : frames) {
    std::string bytes;
    for (const std::byte byte : frame.packet()) bytes += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    out.push_back(fmt::format("r0 {:x} trap '{}' {} {}", frame.return_value, frame.results().trap ? "yes" : "",
                              frame.data() - frame.data_meta(), bytes));
  }
  for (const MapRef& map : maps) out.push_back(entries_of(*map));
  return out;
}

struct Count {
  unsigned compared = 0, refused = 0;
};

bool same(std::uint64_t seed, Count& count) {
  const std::string text = Writer(seed).write();
  const std::vector<MapRef> ours = make_maps(), theirs = make_maps();
  const Program program = verified_or_null(text, ours);
  if (program == nullptr) {
    ++count.refused;
    return true;
  }
  ++count.compared;
  const auto packets = make_packets(seed, 12);
  const auto expected = outcome(interp::backend(), program, ours, packets);
  const auto found = outcome(backend(), program, theirs, packets);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i < found.size() && expected[i] == found[i]) continue;
    ADD_FAILURE() << "program " << seed << " differs at " << i << "\nexpected " << expected[i] << "\nfound    "
                  << (i < found.size() ? found[i] : "") << "\n"
                  << text;
    return false;
  }
  return true;
}

TEST(RtlRandom, ResultsPacketsAndMapsAreTheInterpreters) {
  std::uint64_t first = 1, programs = 150;
  if (const char* other = std::getenv("FORAGER_RTL_RANDOM"); other != nullptr) {
    ASSERT_EQ(std::sscanf(other, "%lu:%lu", &first, &programs), 2);
  }
  Count count;
  unsigned wrong = 0;
  for (std::uint64_t seed = first; seed < first + programs && wrong < 5; ++seed) wrong += same(seed, count) ? 0 : 1;
  RecordProperty("compared", static_cast<int>(count.compared));
  EXPECT_GT(count.compared, programs / 2);
}

}  // namespace
}  // namespace forager::jit::rtl

// SPDX-License-Identifier: Apache-2.0
//
// Random programs on the interpreter and on the OpenCL device: control flow of all shapes, and what compilers make of
// packet programs. Results, packets and maps have to be the same.
//
// FORAGER_OPENCL_RANDOM=FIRST:COUNT runs other programs than those that are always run.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "jit-backends/opencl/lower.h"
#include "jit-backends/opencl/mirror.h"
#include "maps/registry.h"
#include "opencl_random_flow.h"
#include "opencl_testing.h"
#include "rtl_random_program.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;
using Program = std::shared_ptr<const verifier::VerifiedProgram>;

struct Seeds {
  unsigned first = 1, count = 0;
};
Seeds seeds(unsigned count) {
  Seeds out{.count = count};
  if (const char* asked = std::getenv("FORAGER_OPENCL_RANDOM"); asked != nullptr) {
    EXPECT_EQ(std::sscanf(asked, "%u:%u", &out.first, &out.count), 2) << asked;
  }
  return out;
}

Program decoded(const std::string& text, isa::ProgType type, const std::vector<MapRef>& maps, bool verify) {
  program::Source source{.name = "random", .type = type, .gpl_compatible = true};
  std::vector<std::string> names;
  for (const MapRef& map : maps) {
    source.maps.push_back(map->spec());
    names.push_back(map->spec().name);
  }
  auto slots = program::assemble(text, names);
  EXPECT_TRUE(slots) << slots.error().text() << "\n" << text;
  if (!slots) return nullptr;
  source.slots = std::move(*slots);
  auto program = program::Program::decode(std::move(source));
  EXPECT_TRUE(program) << program.error().text() << "\n" << text;
  if (!program) return nullptr;
  if (verify) return verifier::verify(std::move(*program)).value_or(nullptr);
  return verifier::UnverifiedForTests::make(std::move(*program), [](const auto& claims) {
    for (verifier::Facts& facts : claims.facts) facts.reachable = true;
  });
}

void run_on(const exec::Backend& engine, const Program& program, const std::vector<MapRef>& maps,
            const exec::CompileOptions& compile, const exec::Offload& offload, std::vector<Frame>& frames) {
  const auto image = engine.compile(program, compile);
  ASSERT_TRUE(image) << image.error().text();
  const auto device = engine.open({.environment = &exec::testing::plain_environment(), .offload = offload});
  ASSERT_TRUE(device && (*device)->load(*image));
  for (std::uint32_t i = 0; i < maps.size(); ++i) ASSERT_TRUE((*device)->bind(i, maps[i]));
  const auto ran = (*device)->run(frames);
  ASSERT_TRUE(ran) << ran.error().text();
}

class OpenclRandom : public testing::WithDevice {};

// Words that decide which way functions go.
std::vector<Frame> decisions(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Frame> frames;
  for (unsigned i = 0; i < 200; ++i) {
    Bytes bytes(8);
    const std::uint64_t word = random() >> random() % 50;
    std::memcpy(bytes.data(), &word, sizeof word);
    frames.push_back(Frame::raw(exec::testing::as_bytes(bytes)));
  }
  return frames;
}

TEST_F(OpenclRandom, ControlFlowIsTheInterpreters) {
  const Seeds all = seeds(2);
  for (unsigned seed = all.first; seed < all.first + all.count; ++seed) {
    const std::string text = testing::random_flow(seed, 3);
    const Program program = decoded(text, isa::ProgType::raw_memory, {}, false);
    ASSERT_NE(program, nullptr);
    auto expected = decisions(seed), actual = decisions(seed);
    run_on(interp::backend(), program, {}, {}, {}, expected);
    run_on(*testing::opencl_here(), program, {}, {.passes_off = seed % 2 == 0 ? ~0U : 0}, {}, actual);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << "seed " << seed << ", memory " << i;
    }
  }
}

std::vector<MapRef> make_maps() {
  std::vector<MapRef> maps;
  const auto add = [&](isa::MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
                       std::string name) {
    maps.push_back(
        maps::create(
            {.type = type, .key_size = key, .value_size = value, .max_entries = entries, .name = std::move(name)}, 2)
            .value());
  };
  for (const std::uint32_t key : {4U, 8U, 12U, 20U, 40U}) add(isa::MapType::hash, key, 16, 64, fmt::format("h{}", key));
  add(isa::MapType::array, 4, 16, 5, "a16");
  add(isa::MapType::array, 4, 32, 8, "a32");
  return maps;
}

std::vector<Frame> packets(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Frame> frames;
  for (unsigned i = 0; i < 100; ++i) {
    Bytes packet(14 + random() % 187);
    const bool few = random() % 2 == 0;  // values that programs ask for
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(few ? random() % 4 : random());
    constexpr std::uint8_t kFirst[] = {0x45, 0x45, 0x46, 0x4f, 0x40, 0x60};
    if (packet.size() > 14 && random() % 4 != 0) packet[14] = kFirst[random() % std::size(kFirst)];
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
  }
  return frames;
}

TEST_F(OpenclRandom, PacketProgramsAreTheInterpreters) {
  const Seeds all = seeds(6);
  unsigned compared = 0;
  for (unsigned seed = all.first; seed < all.first + all.count; ++seed) {
    const std::string text = rtl::Writer(seed).write();
    const std::vector<MapRef> ours = make_maps(), theirs = make_maps();
    const Program program = decoded(text, isa::ProgType::xdp, ours, true);
    if (program == nullptr) continue;
    ++compared;
    auto expected = packets(seed), actual = packets(seed);
    run_on(interp::backend(), program, ours, {}, {}, expected);
    run_on(*testing::opencl_here(), program, theirs, {}, {.copies = seed % 2 == 0}, actual);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << "seed " << seed << ", packet " << i << "\n" << text;
    }
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ASSERT_EQ(testing::contents_of(*ours[i]), testing::contents_of(*theirs[i]))
          << "seed " << seed << ", map " << i << "\n"
          << text;
    }
  }
  EXPECT_GT(compared, 0U);
}

}  // namespace
}  // namespace forager::jit::opencl

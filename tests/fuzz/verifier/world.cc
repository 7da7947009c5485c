// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/world.h"

#include <linux/bpf.h>
#include <unistd.h>

#include <cstring>

#include "helpers/registry.h"
#include "maps/registry.h"
#include "tests/fuzz/verifier/code.h"

namespace forager::fuzz {
namespace {

using isa::MapType;
using program::MapSpec;

constexpr std::array<std::uint8_t, 32> kConstants = {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 0, 0, 0, 0x80,
                                                     0, 0, 0, 0, 40,   0,    0,    0,    0, 0, 0, 0, 3, 2, 1, 0};

MapSpec spec(const char* name, MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries) {
  return {.type = type, .key_size = key, .value_size = value, .max_entries = entries, .name = name};
}

std::vector<MapSpec> make_specs() {
  std::vector<MapSpec> specs = {
      spec("small", MapType::array, 4, 8, 4),
      spec("large", MapType::array, 4, 48, 1),
      spec("odd", MapType::hash, 4, 13, 8),
      spec("wide", MapType::hash, 8, 64, 8),
      spec("percpu", MapType::percpu_array, 4, 24, 2),
      spec("constant", MapType::array, 4, 32, 1),
      spec("ring", MapType::ringbuf, 0, 0, 4096),
      spec("programs", MapType::prog_array, 4, 4, 4),
  };
  specs[kConstant].flags = BPF_F_RDONLY_PROG;
  auto frozen = std::make_shared<std::vector<std::byte>>(kConstants.size());
  std::memcpy(frozen->data(), kConstants.data(), kConstants.size());
  specs[kConstant].frozen = std::move(frozen);
  return specs;
}

}  // namespace

const std::vector<MapSpec>& map_specs() {
  static const std::vector<MapSpec> kSpecs = make_specs();
  return kSpecs;
}

World::World() {
  environment_.cpus = 2;
  environment_.helpers = helpers::table();
  environment_.monotonic_ns = environment_.boot_ns =
      environment_.tai_ns = [this] { return words_.empty() ? 0 : words_.back(); };
  for (const MapSpec& wanted : map_specs()) maps_.push_back(maps::create(wanted, environment_.cpus).value());
  const std::uint32_t zero = 0;
  std::memcpy(maps_[kConstant]->lookup(&zero, 0), kConstants.data(), kConstants.size());
}

// Words are numbers of the program or near them, numbers that ranges break on, zeros, or anything.
void World::fill(Random& random, std::span<std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    switch (random.below(8)) {
      case 0:
      case 1:
        word = words_.empty() ? 0 : words_[random.below(words_.size())] + random.below(3) - 1;
        break;
      case 2:
        word = random.next();
        break;
      case 3:
        word = interesting(random) << 32 | (interesting(random) & 0xffffffff);
        break;
      case 4:
        word = random.below(16) * 0x0101010101010101;
        break;
      default:
        word = interesting(random);
    }
    std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at));
  }
}

// Keys 0 .. keys-1 exist afterwards.
void World::fill_values(Random& random, MapIndex map, std::uint32_t keys) {
  std::array<std::byte, 64> value{};
  for (std::uint64_t key = 0; key < keys; ++key) {
    fill(random, std::span(value).first(map_specs()[map].value_size));
    std::ignore = maps_[map]->update(&key, value.data(), BPF_ANY, 0);
  }
}

// The consumer catches up, so that there is room again.
void World::drain() {
  std::byte* pages = maps_[kRing]->memory().base;
  std::memcpy(pages, pages + ::getpagesize(), 8);
}

void World::prepare(Random& random, std::span<const isa::Slot> program, exec::Frame& frame) {
  words_.clear();
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].imm != 0) words_.push_back(static_cast<std::uint64_t>(program[i].imm));
    if (is_wide(program[i])) {
      words_.push_back(static_cast<std::uint64_t>(program[i + 1].imm) << 32 |
                       static_cast<std::uint32_t>(program[i].imm));
    }
  }
  fill_values(random, kSmall, 4);
  fill_values(random, kLarge, 1);
  fill_values(random, kOdd, 2);
  fill_values(random, kWide, 2);
  fill_values(random, kPerCpu, 2);
  drain();
  constexpr std::uint16_t kLengths[] = {0, 1, 13, 14, 14, 15, 16, 20, 33, 34, 42, 54, 60, 64, 128, 300};
  std::array<std::byte, 304> packet{};
  const std::size_t length = random.coin() ? random.pick(kLengths) : random.below(80);
  fill(random, std::span(packet).first(length));
  // A fresh one: what an earlier program left around its packet is nobody's result.
  frame = exec::Frame::make(std::span(packet).first(length)).value();
  fill(random, std::span(frame.context).subspan(12, 8));
}

}  // namespace forager::fuzz

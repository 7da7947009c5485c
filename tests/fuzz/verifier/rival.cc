// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/rival.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

namespace forager::fuzz {
namespace {

void append(std::string& out, std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const std::byte byte : bytes) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
}

// Sorted: each hash has an order of its own.
void append_elements(std::string& out, exec::Map& map, unsigned cpus) {
  std::set<std::string> elements;
  std::array<std::byte, 16> key{}, next{};
  std::array<std::byte, 256> value{};
  const void* from = nullptr;
  while (map.next_key(from, next.data()) == 0) {
    key = next;
    from = key.data();
    if (map.read(key.data(), value.data(), 0) != 0) continue;
    std::string element;
    append(element, std::span(key).first(map.spec().key_size));
    element += '=';
    append(element, std::span(value).first(exec::host_value_size(map.spec(), cpus)));
    elements.insert(std::move(element));
  }
  for (const std::string& element : elements) out += element + ' ';
}

// The producer's position and the records.
void append_ring(std::string& out, const exec::Map& map) {
  const exec::MapMemory memory = map.memory();
  const auto page = static_cast<std::size_t>(::getpagesize());
  append(out, {memory.base + page, 8});
  append(out, {memory.base + 2 * page, map.spec().max_entries});
}

// Where the first difference is, with what stands before it.
std::string difference(const std::string& expected, const std::string& actual) {
  std::size_t at = 0;
  while (at < expected.size() && at < actual.size() && expected[at] == actual[at]) ++at;
  const std::size_t from = at < 60 ? 0 : at - 60;
  return fmt::format("\"{}\", but by the interpreter \"{}\"", actual.substr(from, 120), expected.substr(from, 120));
}

}  // namespace

std::string outcome_of(const World& world, const exec::Frame& frame) {
  std::string out = fmt::format("r0={} packet=", frame.return_value);
  append(out, frame.packet());
  for (std::size_t i = 0; i < kMapCount; ++i) {
    out += fmt::format("\n{}: ", map_specs()[i].name);
    if (i == kRing) append_ring(out, *world.maps()[i]);
    if (i != kRing && i != kPrograms) append_elements(out, *world.maps()[i], world.environment().cpus);
  }
  return out;
}

Rival::Rival(const exec::Backend& backend, const exec::CompileOptions& options)
    : backend_(backend),
      options_(options),
      device_(backend.open({.environment = &world_.environment()}).value()),
      frame_(exec::Frame::make({}).value()) {}

Result<> Rival::load(const std::shared_ptr<const verifier::VerifiedProgram>& program) {
  auto image = backend_.compile(program, options_);
  if (!image) return std::unexpected(std::move(image.error()));
  Result<> done = device_->load(*image);
  for (std::uint32_t i = 0; done && i < kMapCount; ++i) done = device_->bind(i, world_.maps()[i]);
  return done;
}

std::string Rival::compare(Random random, std::span<const isa::Slot> program, const World& world,
                           const exec::Frame& frame) {
  world_.prepare(random, program, frame_);
  if (auto ran = device_->run({&frame_, 1}); !ran) return ran.error().text();
  if (frame_.results().trap != nullptr) return frame_.results().trap->text();
  ++compared_;
  const std::string expected = outcome_of(world, frame), actual = outcome_of(world_, frame_);
  if (actual == expected) return {};
  return fmt::format("{} ends with {}", backend_.name(), difference(expected, actual));
}

}  // namespace forager::fuzz

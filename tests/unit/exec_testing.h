// SPDX-License-Identifier: Apache-2.0
//
// What the tests of engines and helpers share: programs from text, run on the interpreter, and maps that are as simple
// as the contract allows (exec/map.h), so that a failure here is the engine's or the helper's own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "helpers/registry.h"
#include "interp/backend.h"
#include "program/text.h"
#include "unverified.h"

namespace forager::exec::testing {

using Bytes = std::vector<std::uint8_t>;
using MapRef = std::shared_ptr<Map>;

inline std::span<const std::byte> as_bytes(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }
inline Bytes bytes_of(std::span<const std::byte> data) {
  Bytes bytes(data.size());
  if (!data.empty()) std::memcpy(bytes.data(), data.data(), data.size());
  return bytes;
}

// ---- maps ----------------------------------------------------------------------------------------------------------

// Arrays (4-byte index; all entries exist, in one piece of memory, one piece for each CPU) and hashes.
class FakeMap : public Map {
 public:
  explicit FakeMap(const MapSpec& spec, unsigned cpus = 1) : Map(spec) {
    const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
    values_.resize(row->per_cpu ? cpus : 1);
    is_array_ = spec.type == isa::MapType::array || spec.type == isa::MapType::percpu_array;
    for (auto& lane : values_) lane.resize(is_array_ ? std::size_t{stride()} * spec.max_entries : 0);
  }

  void* lookup(const void* key, unsigned cpu) override {
    if (!is_array_) {
      const auto found = table_.find(key_of(key));
      return found == table_.end() ? nullptr : found->second.data();
    }
    std::uint32_t index = 0;
    std::memcpy(&index, key, sizeof(index));
    if (index >= spec().max_entries) return nullptr;
    return values_[cpu % values_.size()].data() + std::size_t{index} * stride();
  }
  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override {
    if (flags > 2) return -EINVAL;
    if (!is_array_) table_[key_of(key)].resize(stride());
    void* slot = lookup(key, cpu);
    if (slot == nullptr) return -E2BIG;
    std::memcpy(slot, value, spec().value_size);
    return 0;
  }
  int erase(const void* key) override {
    if (is_array_) return -EINVAL;
    return table_.erase(key_of(key)) == 1 ? 0 : -ENOENT;
  }
  int next_key(const void*, void*) override { return -ENOENT; }
  int read(const void* key, void* value, std::uint64_t) override {
    const void* slot = lookup(key, 0);
    if (slot == nullptr) return -ENOENT;
    std::memcpy(value, slot, spec().value_size);
    return 0;
  }
  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }
  MapMemory memory() const override {
    if (spec().type != isa::MapType::array) return {};
    auto& bytes = const_cast<Bytes&>(values_[0]);
    return {.base = reinterpret_cast<std::byte*>(bytes.data()), .size = bytes.size()};
  }
  MapUsage usage() const override { return {}; }

  // The first value, as a number.
  std::uint64_t first(unsigned cpu = 0) {
    std::uint64_t value = 0;
    std::memcpy(&value, values_[cpu].data(), std::min<std::size_t>(8, spec().value_size));
    return value;
  }

 private:
  std::uint32_t stride() const { return (spec().value_size + 7) & ~7U; }
  std::string key_of(const void* key) const { return {static_cast<const char*>(key), spec().key_size}; }

  bool is_array_ = false;
  std::vector<Bytes> values_;
  std::map<std::string, Bytes> table_;
};

// A ring that remembers what was committed, and what is open.
class FakeRing : public FakeMap, public RingProducer {
 public:
  explicit FakeRing(std::uint32_t room = 4096)
      : FakeMap({.type = isa::MapType::ringbuf, .max_entries = room, .name = "ring"}) {
    abilities_.ring = this;
  }
  void* reserve(std::uint64_t size) override {
    if (size > spec().max_entries) return ++lost_, nullptr;
    open.push_back(std::make_unique<Bytes>(size));
    return open.back()->data();
  }
  void commit(void* record, std::uint64_t flags, bool discard) override {
    const auto it = std::ranges::find_if(open, [=](const auto& bytes) { return bytes->data() == record; });
    ASSERT_NE(it, open.end());
    if (!discard) committed.push_back(**it);
    last_flags = flags;
    open.erase(it);
  }
  int output(const void* data, std::uint64_t size, std::uint64_t flags) override {
    if (size > spec().max_entries) return ++lost_, -EAGAIN;
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    committed.emplace_back(bytes, bytes + size);
    last_flags = flags;
    return 0;
  }
  std::uint64_t query(std::uint64_t what) const override { return what == 1 ? spec().max_entries : 0; }
  std::uint64_t lost() const override { return lost_; }
  void lose(std::uint64_t records) override { lost_ += records; }

  std::vector<std::unique_ptr<Bytes>> open;
  std::vector<Bytes> committed;
  std::uint64_t last_flags = 0;

 private:
  std::uint64_t lost_ = 0;
};

class FakeSink : public PerfSink {
 public:
  int write(std::span<const std::byte> first, std::span<const std::byte> second) override {
    samples.push_back(bytes_of(first));
    const Bytes rest = bytes_of(second);
    samples.back().insert(samples.back().end(), rest.begin(), rest.end());
    return 0;
  }
  std::uint64_t lost() const override { return lost_; }
  void lose(std::uint64_t records) override { lost_ += records; }
  std::vector<Bytes> samples;

 private:
  std::uint64_t lost_ = 0;
};

class FakePerf : public FakeMap, public PerfTable {
 public:
  explicit FakePerf(std::uint32_t cpus)
      : FakeMap({.type = isa::MapType::perf_event_array,
                 .key_size = 4,
                 .value_size = 4,
                 .max_entries = cpus,
                 .name = "events"}),
        sinks_(cpus) {
    abilities_.perf = this;
  }
  int set(std::uint32_t index, std::shared_ptr<PerfSink> sink) override {
    sinks_.at(index) = std::move(sink);
    return 0;
  }
  std::shared_ptr<PerfSink> get(std::uint32_t index) const override { return sinks_.at(index); }

 private:
  std::vector<std::shared_ptr<PerfSink>> sinks_;
};

class FakePrograms : public FakeMap, public ProgramTable {
 public:
  explicit FakePrograms(std::uint32_t size = 4)
      : FakeMap({.type = isa::MapType::prog_array,
                 .key_size = 4,
                 .value_size = 4,
                 .max_entries = size,
                 .name = "programs"}),
        slots_(size) {
    abilities_.programs = this;
  }
  int set(std::uint32_t index, ProgramSlot slot) override {
    slots_.at(index) = std::move(slot);
    ++changes_;
    return 0;
  }
  ProgramSlot get(std::uint32_t index) const override { return slots_.at(index); }
  const std::atomic<std::uint64_t>& changes() const override { return changes_; }

 private:
  std::atomic<std::uint64_t> changes_{0};
  std::vector<ProgramSlot> slots_;
};

inline std::shared_ptr<FakeMap> make_array(std::uint32_t value_size, std::uint32_t entries = 1, std::uint32_t flags = 0,
                                           std::string name = "values") {
  return std::make_shared<FakeMap>(MapSpec{.type = isa::MapType::array,
                                           .key_size = 4,
                                           .value_size = value_size,
                                           .max_entries = entries,
                                           .flags = flags,
                                           .name = std::move(name)});
}
inline std::shared_ptr<FakeMap> make_map(isa::MapType type, std::uint32_t key_size, std::uint32_t value_size,
                                         std::uint32_t entries, unsigned cpus = 1) {
  return std::make_shared<FakeMap>(
      MapSpec{.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"},
      cpus);
}

// ---- programs ------------------------------------------------------------------------------------------------------

inline const Environment& plain_environment() {
  static const Environment kEnvironment = [] {
    Environment environment;
    environment.cpus = 2;
    environment.helpers = helpers::table();
    return environment;
  }();
  return kEnvironment;
}

// A program under test and where it runs.
struct Rig {
  isa::ProgType type = isa::ProgType::xdp;
  bool checked = false;
  bool facts = false;             // hold every instruction against the verifier's facts
  bool unverified = false;        // for what verify() would refuse: engines have checks of their own
  std::vector<MapRef> maps = {};  // referred to in the text by number: "r1 = map[0] ll"
  const Environment* environment = &plain_environment();
  std::uint64_t budget = 1 << 20;
  unsigned cpu = 0;
  const Backend* engine = &interp::backend();
};

// What the runtime says of an array that programs may only read: its value is fixed from now on.
inline std::shared_ptr<const std::vector<std::byte>> frozen_value(const Map& map) {
  constexpr std::uint32_t kReadOnlyProg = 1U << 7;
  const MapMemory memory = map.memory();
  if (memory.base == nullptr || (map.spec().flags & kReadOnlyProg) == 0 || map.spec().max_entries != 1) return nullptr;
  return std::make_shared<const std::vector<std::byte>>(memory.base, memory.base + map.spec().value_size);
}

// The program, ready for an engine; null if the text is wrong or verification refuses it (a failure is recorded).
inline std::shared_ptr<const verifier::VerifiedProgram> verified(const Rig& rig, std::string_view text) {
  program::Source source;
  source.name = "test";
  source.type = rig.type;
  source.gpl_compatible = true;
  std::vector<std::string> names;
  for (const MapRef& map : rig.maps) {
    source.maps.push_back(map->spec());
    source.maps.back().frozen = frozen_value(*map);
    names.push_back(map->spec().name);
  }
  auto slots = program::assemble(text, names);
  EXPECT_TRUE(slots) << slots.error().text() << "\n" << text;
  if (!slots) return nullptr;
  source.slots = std::move(*slots);
  source.lines = {{.slot = 0, .file = "test.c", .line = 7, .text = "the line;"}};
  auto program = program::Program::decode(std::move(source));
  EXPECT_TRUE(program) << program.error().text() << "\n" << text;
  if (!program) return nullptr;
  if (rig.unverified) return verifier::UnverifiedForTests::make(std::move(*program));
  auto result = verifier::verify(std::move(*program));
  EXPECT_TRUE(result) << result.error().text() << "\n" << text;
  return result.value_or(nullptr);
}

// The program on an engine of its own, maps bound; null if it cannot be loaded (a failure is recorded).
inline std::unique_ptr<Device> open_device(const Rig& rig, std::string_view text) {
  const auto program = verified(rig, text);
  if (program == nullptr) return nullptr;
  auto image = rig.engine->compile(program, {.checked = rig.checked, .assert_facts = rig.facts});
  EXPECT_TRUE(image) << image.error().text();
  auto device = rig.engine->open({.environment = rig.environment, .cpu = rig.cpu, .instruction_budget = rig.budget});
  EXPECT_TRUE(device);
  if (!image || !device || !(*device)->load(*image)) return nullptr;
  for (std::uint32_t i = 0; i < rig.maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, rig.maps[i]));
  return std::move(*device);
}

// Runs a program once on a packet (on memory, for raw_memory programs) and gives back the frame.
inline Frame run(const Rig& rig, std::string_view text, const Bytes& packet = Bytes(64)) {
  const bool raw = rig.type == isa::ProgType::raw_memory;
  Frame frame = raw ? Frame::raw(as_bytes(packet)) : *Frame::make(as_bytes(packet));
  const auto device = open_device(rig, text);
  if (device == nullptr) return frame;
  const auto report = device->run({&frame, 1});
  EXPECT_TRUE(report) << report.error().text();
  return frame;
}

// r0 of a raw-memory program; a trap is a failure.
inline std::uint64_t result_of(std::string_view text, const Bytes& memory = {}) {
  const Frame frame = run({.type = isa::ProgType::raw_memory}, text, memory);
  EXPECT_EQ(frame.results().trap, nullptr) << frame.results().trap->text() << "\n" << text;
  return frame.return_value;
}

// Why the program was stopped; empty if it was not.
inline std::string trap_of(const Frame& frame) {
  return frame.results().trap == nullptr ? std::string{} : frame.results().trap->text();
}

}  // namespace forager::exec::testing

// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the linux backend share: programs from text, simple maps of our own (obvious ones, so that a test
// of the mirrors does not depend on host/maps), and the reason to skip where there is no kernel to talk to.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/linux/backend.h"
#include "program/text.h"
#include "unverified.h"
#include "verifier/verify.h"

#define FORAGER_NEEDS_KERNEL()                                                                  \
  if (const auto& able = forager::jit::linux_kernel::backend().capabilities(); !able.available) \
  GTEST_SKIP() << "this machine's bpf(2) is missing: " << able.reason

namespace forager::linux_test {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}
template <class T>
Bytes bytes_of_value(const T& value) {
  Bytes out(sizeof(T));
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}
template <class T>
T value_of(const Bytes& bytes, std::size_t at = 0) {
  T out{};
  std::memcpy(&out, bytes.data() + at, sizeof(T));
  return out;
}

// A ring that keeps its records as strings, with the kernel's arithmetic of how full it is.
class TestRing final : public exec::RingProducer {
 public:
  explicit TestRing(std::uint64_t size) : size_(size) {}
  void* reserve(std::uint64_t size) override {
    const std::uint64_t needed = (size + 8 + 7) / 8 * 8;
    if (unread_ + needed >= size_) {
      ++lost_;
      return nullptr;
    }
    unread_ += needed;
    pending_.assign(size, '\0');
    return pending_.data();
  }
  void commit(void*, std::uint64_t, bool discard) override {
    if (!discard) records.push_back(pending_);
  }
  int output(const void*, std::uint64_t, std::uint64_t) override { return -EOPNOTSUPP; }
  std::uint64_t query(std::uint64_t what) const override { return what == 0 ? unread_ : size_; }
  std::uint64_t lost() const override { return lost_; }
  void lose(std::uint64_t records) override { lost_ += records; }
  void read_all() { unread_ = 0; }

  std::vector<std::string> records;

 private:
  std::uint64_t size_;
  std::uint64_t unread_ = 0;
  std::uint64_t lost_ = 0;
  std::string pending_;
};

class TestSink final : public exec::PerfSink {
 public:
  int write(std::span<const std::byte> first, std::span<const std::byte> second) override {
    samples.emplace_back(first.begin(), first.end());
    samples.back().insert(samples.back().end(), second.begin(), second.end());
    return 0;
  }
  std::uint64_t lost() const override { return 0; }
  void lose(std::uint64_t) override {}
  std::vector<Bytes> samples;
};

class TestPerfTable final : public exec::PerfTable {
 public:
  int set(std::uint32_t index, std::shared_ptr<exec::PerfSink> sink) override {
    sinks_[index] = std::move(sink);
    return 0;
  }
  std::shared_ptr<exec::PerfSink> get(std::uint32_t index) const override {
    const auto found = sinks_.find(index);
    return found == sinks_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::uint32_t, std::shared_ptr<exec::PerfSink>> sinks_;
};

class TestProgramTable final : public exec::ProgramTable {
 public:
  int set(std::uint32_t index, exec::ProgramSlot slot) override {
    slots_[index] = std::move(slot);
    ++changes_;
    return 0;
  }
  exec::ProgramSlot get(std::uint32_t index) const override {
    const auto found = slots_.find(index);
    return found == slots_.end() ? exec::ProgramSlot{} : found->second;
  }
  const std::atomic<std::uint64_t>& changes() const override { return changes_; }

 private:
  std::atomic<std::uint64_t> changes_{0};
  std::map<std::uint32_t, exec::ProgramSlot> slots_;
};

// Keys and values in a std::map; arrays are born full. The program side is unused: the kernel has its own.
class TestMap final : public exec::Map {
 public:
  TestMap(exec::MapSpec spec, unsigned cpus) : Map(std::move(spec)), bytes_(exec::host_value_size(this->spec(), cpus)) {
    using enum isa::MapType;
    const auto type = this->spec().type;
    if (type == array || type == percpu_array) fill();
    if (type == ringbuf) abilities_.ring = (ring_ = std::make_unique<TestRing>(this->spec().max_entries)).get();
    if (type == perf_event_array) abilities_.perf = &perf_;
    if (type == prog_array) abilities_.programs = &programs_;
  }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return rows.erase(key_of(key)) == 1 ? 0 : -ENOENT; }
  int next_key(const void* key, void* next) override {
    auto at = key == nullptr ? rows.begin() : rows.upper_bound(key_of(key));
    if (at == rows.end()) return -ENOENT;
    std::memcpy(next, at->first.data(), spec().key_size);
    return 0;
  }
  int read(const void* key, void* value, std::uint64_t) override {
    const auto found = rows.find(key_of(key));
    if (found == rows.end()) return -ENOENT;
    std::memcpy(value, found->second.data(), bytes_);
    return 0;
  }
  int write(const void* key, const void* value, std::uint64_t) override {
    ++writes;
    const auto* from = static_cast<const std::byte*>(value);
    rows[key_of(key)] = Bytes(from, from + bytes_);
    return 0;
  }
  exec::MapUsage usage() const override { return {.entries = rows.size(), .bytes = 0}; }

  TestRing& ring() { return *ring_; }
  void put(const Bytes& key, const Bytes& value) { (void)write(key.data(), value.data(), 0); }
  // Of maps with 4-byte keys.
  [[nodiscard]] bool has(std::uint32_t key) const { return rows.contains(key_of(&key)); }
  template <class T>
  T get(std::uint32_t key, std::size_t at = 0) {
    return value_of<T>(rows.at(key_of(&key)), at);
  }

  std::map<std::string, Bytes> rows;
  unsigned writes = 0;

 private:
  std::string key_of(const void* key) const { return {static_cast<const char*>(key), spec().key_size}; }
  void fill() {
    for (std::uint32_t i = 0; i < spec().max_entries; ++i) rows[key_of(&i)] = Bytes(bytes_);
  }

  std::size_t bytes_;
  std::unique_ptr<TestRing> ring_;
  TestPerfTable perf_;
  TestProgramTable programs_;
};

inline exec::MapSpec spec_of(isa::MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
                             std::uint32_t flags = 0) {
  return {.type = type, .key_size = key, .value_size = value, .max_entries = entries, .flags = flags, .name = "m"};
}

// A program from kernel-style text; maps are named m0, m1, ... in it. It is verified unless the test is about what only
// the kernel is to refuse.
inline Result<std::shared_ptr<const verifier::VerifiedProgram>> program_of(std::string_view text,
                                                                           std::vector<exec::MapSpec> maps = {},
                                                                           isa::ProgType type = isa::ProgType::xdp,
                                                                           bool unverified = false) {
  std::vector<std::string> names;
  names.reserve(maps.size());
  for (std::size_t i = 0; i < maps.size(); ++i) names.push_back(fmt::format("m{}", i));
  auto slots = program::assemble(text, names);
  if (!slots) return std::unexpected(slots.error());
  auto program = program::Program::decode(
      {.name = "test", .type = type, .gpl_compatible = true, .slots = std::move(*slots), .maps = std::move(maps)});
  if (!program) return std::unexpected(program.error());
  if (unverified) return verifier::UnverifiedForTests::make(std::move(*program));
  return verifier::verify(std::move(*program));
}

// One device with one program and its maps. Failures are the test's, with the diagnostic's text.
struct Rig {
  bool unverified = false;
  exec::Environment environment;
  std::shared_ptr<exec::MapList> maps = std::make_shared<exec::MapList>();
  std::shared_ptr<const verifier::VerifiedProgram> program;
  std::unique_ptr<exec::Device> device;

  void open(std::string_view text, std::vector<std::shared_ptr<exec::Map>> bound = {},
            isa::ProgType type = isa::ProgType::xdp, std::vector<std::uint32_t> ports = {}) {
    std::vector<exec::MapSpec> specs;
    specs.reserve(bound.size());
    for (const auto& map : bound) specs.push_back(map->spec());
    auto made = program_of(text, specs, type, unverified);
    ASSERT_TRUE(made) << made.error().text();
    program = *made;
    auto image = jit::linux_kernel::backend().compile(program, {});
    ASSERT_TRUE(image) << image.error().text();
    auto opened = jit::linux_kernel::backend().open({.environment = &environment, .ports = std::move(ports)});
    ASSERT_TRUE(opened) << opened.error().text();
    device = std::move(*opened);
    ASSERT_TRUE(device->load(*image));
    for (std::uint32_t i = 0; i < bound.size(); ++i) {
      maps->push_back(bound[i]);
      ASSERT_TRUE(device->bind(i, bound[i]));
    }
  }
  // Runs one frame of that many zero bytes (or the given ones) and hands it back.
  exec::Frame run(const Bytes& packet = Bytes(64)) {
    if (device == nullptr) return {};
    exec::Frame frame = program->program().type() == isa::ProgType::raw_memory ? exec::Frame::raw(packet)
                                                                               : exec::Frame::make(packet).value();
    auto report = device->run({&frame, 1});
    EXPECT_TRUE(report) << report.error().text();
    if (frame.results().trap) ADD_FAILURE() << frame.results().trap->text();
    return frame;
  }
};

}  // namespace forager::linux_test

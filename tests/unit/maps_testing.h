// SPDX-License-Identifier: Apache-2.0
//
// What the tests of maps share: making maps, and three ways to hold a map (ours, the kernel's, a plain model) behind
// one interface, so that one sequence of operations can be played on any two and compared step by step.
#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "maps/registry.h"

namespace forager::maps::testing {

using exec::Map;
using exec::MapSpec;
using isa::MapType;

using Bytes = std::string;  // keys and values: ordered, hashed and printed by the library

template <class T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
template <class T>
T value_of(const Bytes& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

inline std::shared_ptr<Map> make(const MapSpec& spec, unsigned cpus = 2) {
  auto map = create(spec, cpus);
  EXPECT_TRUE(map.has_value()) << map.error().text();
  return map ? *map : nullptr;
}

// The number of CPUs that the kernel gives per-CPU maps.
inline unsigned possible_cpus() {
  std::ifstream file("/sys/devices/system/cpu/possible");
  std::string text;
  std::getline(file, text);
  const auto last = text.find_last_of("-,");
  return text.empty() ? 1
                      : static_cast<unsigned>(std::stoul(last == std::string::npos ? text : text.substr(last + 1))) + 1;
}

struct Read {
  int result = 0;
  Bytes bytes;  // empty unless result is 0
  friend bool operator==(const Read&, const Read&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Read& read) {
    return out << read.result << " " << ::testing::PrintToString(read.bytes);
  }
};

// The host's side of a map. Results are 0 or a negative errno.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual int write(const Bytes& key, const Bytes& value, std::uint64_t flags) = 0;
  virtual int erase(const Bytes& key) = 0;
  virtual Read read(const Bytes& key, std::uint64_t flags) = 0;
  virtual Read next(const std::optional<Bytes>& key) = 0;

  // All keys by iteration, at most `limit`.
  std::vector<Bytes> keys(std::size_t limit) {
    std::vector<Bytes> all;
    for (Read step = next({}); step.result == 0 && all.size() < limit; step = next(all.back())) {
      all.push_back(step.bytes);
    }
    return all;
  }
};

class OurMap final : public Subject {
 public:
  OurMap(std::shared_ptr<Map> map, unsigned cpus)
      : map_(std::move(map)), value_size_(exec::host_value_size(map_->spec(), cpus)) {}

  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    return map_->write(key.data(), value.data(), flags);
  }
  int erase(const Bytes& key) override { return map_->erase(key.data()); }
  Read read(const Bytes& key, std::uint64_t flags) override {
    Bytes value(value_size_, '\0');
    const int result = map_->read(key.data(), value.data(), flags);
    return {result, result == 0 ? value : Bytes{}};
  }
  Read next(const std::optional<Bytes>& key) override {
    Bytes next(map_->spec().key_size, '\0');
    const int result = map_->next_key(key ? key->data() : nullptr, next.data());
    return {result, result == 0 ? next : Bytes{}};
  }
  [[nodiscard]] Map& map() const { return *map_; }

 private:
  std::shared_ptr<Map> map_;
  std::size_t value_size_;
};

// bpf(2) of this machine.
inline int kernel_bpf(int command, union bpf_attr& attributes) {
  const long result = syscall(SYS_bpf, command, &attributes, sizeof attributes);
  return result < 0 ? -errno : static_cast<int>(result);
}

// The fd, or a negative errno.
inline int kernel_create(const MapSpec& spec) {
  union bpf_attr attributes = {};
  attributes.map_type = static_cast<std::uint32_t>(spec.type);
  attributes.key_size = spec.key_size;
  attributes.value_size = spec.value_size;
  attributes.max_entries = spec.max_entries;
  attributes.map_flags = spec.flags;
  attributes.map_extra = spec.extra;
  return kernel_bpf(BPF_MAP_CREATE, attributes);
}

// Why the kernel cannot be asked; empty if it can.
inline std::string kernel_missing() {
  const int fd = kernel_create({.type = MapType::array, .key_size = 4, .value_size = 4, .max_entries = 1});
  if (fd < 0) return std::string("bpf(2) makes no maps for this user: ") + std::strerror(-fd);
  close(fd);
  return {};
}

class KernelMap final : public Subject {
 public:
  KernelMap(const MapSpec& spec, unsigned cpus)
      : fd_(kernel_create(spec)), key_size_(spec.key_size), value_size_(exec::host_value_size(spec, cpus)) {
    EXPECT_GE(fd_, 0) << std::strerror(-fd_);
  }
  KernelMap(const KernelMap&) = delete;
  KernelMap& operator=(const KernelMap&) = delete;
  ~KernelMap() override {
    if (fd_ >= 0) close(fd_);
  }

  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    return call(BPF_MAP_UPDATE_ELEM, key.data(), const_cast<char*>(value.data()), flags);
  }
  int erase(const Bytes& key) override { return call(BPF_MAP_DELETE_ELEM, key.data(), nullptr, 0); }
  Read read(const Bytes& key, std::uint64_t flags) override {
    Bytes value(value_size_, '\0');
    const int result = call(BPF_MAP_LOOKUP_ELEM, key.data(), value.data(), flags);
    return {result, result == 0 ? value : Bytes{}};
  }
  Read next(const std::optional<Bytes>& key) override {
    Bytes next(key_size_, '\0');
    const int result = call(BPF_MAP_GET_NEXT_KEY, key ? key->data() : nullptr, next.data(), 0);
    return {result, result == 0 ? next : Bytes{}};
  }

 private:
  int call(int command, const char* key, char* value, std::uint64_t flags) const {
    union bpf_attr attributes = {};
    attributes.map_fd = static_cast<std::uint32_t>(fd_);
    attributes.key = key_size_ == 0 ? 0 : reinterpret_cast<std::uintptr_t>(key);
    attributes.value = reinterpret_cast<std::uintptr_t>(value);
    attributes.flags = flags;
    return kernel_bpf(command, attributes);
  }

  int fd_;
  std::size_t key_size_, value_size_;
};

using Random = std::mt19937_64;
inline std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }

// A map and how to ask it for things: keys from a small space, so that they meet again.
struct Scenario {
  std::string name;
  MapSpec spec;
  std::function<Bytes(Random&)> key;
  std::function<Bytes(Random&)> value;  // of host_value_size bytes
  bool ordered = false;                 // iteration order is part of the answer
  friend std::ostream& operator<<(std::ostream& out, const Scenario& scenario) { return out << scenario.name; }
};

// All scenarios, per-CPU values for `cpus` CPUs. Ports are ifindex 0 and 1, which every kernel has.
std::vector<Scenario> scenarios(unsigned cpus);

// Plays `steps` random operations on both and compares every answer; at the end, and now and then, all keys too.
void play(const Scenario& scenario, std::uint64_t seed, int steps, Subject& left, Subject& right);

}  // namespace forager::maps::testing

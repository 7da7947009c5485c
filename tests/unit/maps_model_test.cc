// SPDX-License-Identifier: Apache-2.0
//
// Every key/value map type against a model of its meaning in standard containers, under random operations.
#include <algorithm>
#include <map>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

// 0 or what the flags of an update say of a key that is there or not.
int presence(std::uint64_t flags, bool present) {
  if (flags > BPF_EXIST) return -EINVAL;
  if (present && flags == BPF_NOEXIST) return -EEXIST;
  if (!present && flags == BPF_EXIST) return -ENOENT;
  return 0;
}

class HashModel : public Subject {
 public:
  explicit HashModel(const MapSpec& spec) : spec_(spec) {}
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    const bool present = entries_.contains(key);
    if (const int error = presence(flags, present); error != 0) return error;
    if (!present && entries_.size() == spec_.max_entries) return -E2BIG;
    entries_[key] = value;
    return 0;
  }
  int erase(const Bytes& key) override { return entries_.erase(key) != 0 ? 0 : -ENOENT; }
  Read read(const Bytes& key, std::uint64_t flags) override {
    if (flags != 0) return {-EINVAL, {}};
    const auto it = entries_.find(key);
    return it == entries_.end() ? Read{-ENOENT, {}} : Read{0, it->second};
  }
  Read next(const std::optional<Bytes>& key) override {
    const auto it = key && entries_.contains(*key) ? entries_.upper_bound(*key) : entries_.begin();
    return it == entries_.end() ? Read{-ENOENT, {}} : Read{0, it->first};
  }

 protected:
  MapSpec spec_;
  std::map<Bytes, Bytes> entries_;
};

class IndexModel : public Subject {
 public:
  IndexModel(const MapSpec& spec, unsigned cpus)
      : values_(spec.max_entries, Bytes(exec::host_value_size(spec, cpus), '\0')) {}
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    if (flags > BPF_EXIST) return -EINVAL;
    if (index(key) >= values_.size()) return -E2BIG;
    if (flags == BPF_NOEXIST) return -EEXIST;
    values_[index(key)] = value;
    return 0;
  }
  int erase(const Bytes&) override { return -EINVAL; }
  Read read(const Bytes& key, std::uint64_t flags) override {
    if (flags != 0) return {-EINVAL, {}};
    return index(key) < values_.size() ? Read{0, values_[index(key)]} : Read{-ENOENT, {}};
  }
  Read next(const std::optional<Bytes>& key) override {
    if (!key || index(*key) >= values_.size()) return {0, bytes_of(std::uint32_t{0})};
    if (index(*key) + 1 == values_.size()) return {-ENOENT, {}};
    return {0, bytes_of(index(*key) + 1)};
  }

 protected:
  static std::uint32_t index(const Bytes& key) { return value_of<std::uint32_t>(key); }
  std::vector<Bytes> values_;
};

// As stored: no program.
Bytes port(Bytes value) {
  if (value.size() == 8) value.replace(4, 4, 4, '\0');
  return value;
}

// Slots that are empty where the first word is 0: DEVMAP.
class SlotModel : public IndexModel {
 public:
  using IndexModel::IndexModel;
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    return IndexModel::write(key, port(value), flags);
  }
  int erase(const Bytes& key) override {
    if (index(key) >= values_.size()) return -EINVAL;
    std::ranges::fill(values_[index(key)], '\0');
    return 0;
  }
  Read read(const Bytes& key, std::uint64_t flags) override {
    const Read read = IndexModel::read(key, flags);
    return read.result == 0 && value_of<std::uint32_t>(read.bytes) == 0 ? Read{-ENOENT, {}} : read;
  }
};

class CpumapModel final : public SlotModel {
 public:
  CpumapModel(const MapSpec& spec, unsigned cpus) : SlotModel(spec, 1), cpus_(cpus) {}
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    const bool reaches = flags == BPF_ANY || flags == BPF_EXIST;
    if (reaches && index(key) < values_.size()) {
      if (value_of<std::uint32_t>(value) > 16384) return -EOVERFLOW;
      if (index(key) >= cpus_) return -ENODEV;
    }
    return SlotModel::write(key, value, flags);
  }

 private:
  unsigned cpus_;
};

class DevmapHashModel final : public HashModel {
 public:
  using HashModel::HashModel;
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    if (flags > BPF_EXIST || value_of<std::uint32_t>(value) == 0) return -EINVAL;
    return HashModel::write(key, port(value), flags == BPF_EXIST ? 0 : flags);
  }
};

// Entries by their bits as text, "0101", in Linux's post-order; found by trying every length.
class LpmModel final : public Subject {
 public:
  explicit LpmModel(const MapSpec& spec) : spec_(spec) {}
  int write(const Bytes& key, const Bytes& value, std::uint64_t flags) override {
    if (flags > BPF_EXIST || too_long(key)) return -EINVAL;
    const bool present = entries_.contains(bits(key));
    if (const int error = presence(flags, present); error != 0) return error;
    if (!present && entries_.size() == spec_.max_entries) return -ENOSPC;
    entries_[bits(key)] = {key, value};
    return 0;
  }
  int erase(const Bytes& key) override {
    if (too_long(key)) return -EINVAL;
    return entries_.erase(bits(key)) != 0 ? 0 : -ENOENT;
  }
  Read read(const Bytes& key, std::uint64_t flags) override {
    if (flags != 0) return {-EINVAL, {}};
    if (too_long(key)) return {-ENOENT, {}};
    for (std::string prefix = bits(key);; prefix.pop_back()) {
      if (const auto it = entries_.find(prefix); it != entries_.end()) return {0, it->second.second};
      if (prefix.empty()) return {-ENOENT, {}};
    }
  }
  Read next(const std::optional<Bytes>& key) override {
    const bool present = key && !too_long(*key) && entries_.contains(bits(*key));
    const auto it = present ? entries_.upper_bound(bits(*key)) : entries_.begin();
    return it == entries_.end() ? Read{-ENOENT, {}} : Read{0, it->second.first};
  }

 private:
  struct PostOrder {
    bool operator()(const std::string& a, const std::string& b) const { return a + '2' < b + '2'; }
  };
  [[nodiscard]] bool too_long(const Bytes& key) const {
    return value_of<std::uint32_t>(key) > (spec_.key_size - 4) * 8;
  }
  static std::string bits(const Bytes& key) {
    std::string text;
    for (std::uint32_t i = 0; i < value_of<std::uint32_t>(key); ++i) {
      text += (static_cast<unsigned char>(key[4 + i / 8]) >> (7 - i % 8) & 1) != 0 ? '1' : '0';
    }
    return text;
  }
  MapSpec spec_;
  std::map<std::string, std::pair<Bytes, Bytes>, PostOrder> entries_;
};

constexpr unsigned kCpus = 3;

std::unique_ptr<Subject> model_of(const MapSpec& spec) {
  switch (spec.type) {
    case MapType::array:
    case MapType::percpu_array:
      return std::make_unique<IndexModel>(spec, kCpus);
    case MapType::devmap:
      return std::make_unique<SlotModel>(spec, kCpus);
    case MapType::cpumap:
      return std::make_unique<CpumapModel>(spec, kCpus);
    case MapType::devmap_hash:
      return std::make_unique<DevmapHashModel>(spec);
    case MapType::lpm_trie:
      return std::make_unique<LpmModel>(spec);
    default:
      return std::make_unique<HashModel>(spec);
  }
}

class MapsModel : public ::testing::TestWithParam<Scenario> {};

TEST_P(MapsModel, AnswersLikeTheModel) {
  const Scenario& scenario = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    OurMap map(make(scenario.spec, kCpus), kCpus);
    const auto model = model_of(scenario.spec);
    play(scenario, seed, 1500, map, *model);
    if (HasFailure()) return;
    const std::size_t keys = model->keys(scenario.spec.max_entries).size();
    if (scenario.spec.type != MapType::devmap && scenario.spec.type != MapType::cpumap) {
      EXPECT_EQ(map.map().usage().entries, keys);
    }
  }
}

// What a program does is what the host sees.
TEST_P(MapsModel, ProgramSideIsTheSameMap) {
  const Scenario& scenario = GetParam();
  Random random(7);
  OurMap ours(make(scenario.spec, kCpus), kCpus);
  Map& map = ours.map();
  const auto model = model_of(scenario.spec);
  const std::size_t slot = exec::host_value_size(scenario.spec, 1);
  for (int i = 0; i < 1500; ++i) {
    const Bytes key = scenario.key(random);
    const unsigned cpu = static_cast<unsigned>(below(random, kCpus));
    const Bytes all = scenario.value(random);
    const bool per_cpu = all.size() != scenario.spec.value_size;
    // Through the model, a program's update of a per-CPU map is a read, a change of its CPU's slot, and a write.
    Bytes expected = all;
    if (per_cpu) {
      const Read before = model->read(key, 0);
      expected = before.result == 0 ? before.bytes : Bytes(all.size(), '\0');
      expected.replace(cpu * slot, slot, all, cpu * slot, slot);
    }
    const std::uint64_t flags = below(random, 4);
    ASSERT_EQ(map.update(key.data(), all.data() + (per_cpu ? cpu * slot : 0), flags, cpu),
              model->write(key, expected, flags));
    ASSERT_EQ(ours.read(key, 0), model->read(key, 0));
    const auto* found = static_cast<const char*>(map.lookup(key.data(), cpu));
    const Read read = model->read(key, 0);
    ASSERT_EQ(found != nullptr, read.result == 0);
    if (found != nullptr) {
      ASSERT_EQ(Bytes(found, scenario.spec.value_size),
                read.bytes.substr(per_cpu ? cpu * slot : 0, scenario.spec.value_size));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(found) % 8, 0U) << "values are aligned to 8 bytes";
    }
    if (below(random, 3) != 0) continue;
    ASSERT_EQ(map.erase(key.data()), model->erase(key));
  }
}

std::string scenario_name(const ::testing::TestParamInfo<Scenario>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(All, MapsModel, ::testing::ValuesIn(scenarios(kCpus)), scenario_name);

}  // namespace
}  // namespace forager::maps::testing

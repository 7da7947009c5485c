// SPDX-License-Identifier: Apache-2.0
#include "bench/maps/sides.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isa/tables.h"

extern "C" long __real_syscall(long number, ...);

namespace forager::bench {
namespace {

constexpr unsigned kElementBytes = offsetof(bpf_attr, flags) + sizeof(bpf_attr::flags);

std::uint32_t trie_bits(const Shape& shape) { return (shape.key_size - 4) * 8; }

bool is_array(std::uint32_t type) { return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY; }

}  // namespace

// libbpf calls syscall(), which the linker made ours; both sides come by a function of the C library's kind.
long call(Side side, int command, bpf_attr& attr, unsigned size) {
  const long result =
      side == Side::ours ? ::syscall(SYS_bpf, command, &attr, size) : __real_syscall(SYS_bpf, command, &attr, size);
  return result < 0 ? -errno : result;
}

std::string Shape::name() const {
  const isa::MapRow* row = isa::find_map(type);
  return fmt::format("{}/k{}/v{}/n{}/{}%", row != nullptr ? row->name : "?", key_size, value_size, max_entries,
                     percent);
}

MapUnderTest::MapUnderTest(Side side, const Shape& shape) : side_(side), shape_(shape), value_bytes_(shape.value_size) {
  const isa::MapRow* row = isa::find_map(shape.type);
  if (row != nullptr && row->per_cpu) {
    value_bytes_ = (value_bytes_ + 7) / 8 * 8 * static_cast<std::size_t>(libbpf_num_possible_cpus());
  }
  long error = create();
  if (error == 0) error = fill();
  if (error != 0) error_ = fmt::format("{}: {}", side == Side::ours ? "ours" : "kernel", std::strerror(-error));
}

MapUnderTest::~MapUnderTest() {
  if (fd_ >= 0) close(fd_);
}

long MapUnderTest::create() {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  attr.map_type = shape_.type;
  attr.key_size = shape_.key_size;
  attr.value_size = shape_.value_size;
  attr.max_entries = shape_.max_entries;
  if (shape_.type == BPF_MAP_TYPE_LPM_TRIE) attr.map_flags = BPF_F_NO_PREALLOC;
  const long fd = call(side_, BPF_MAP_CREATE, attr, sizeof attr);
  if (fd < 0) return fd;
  fd_ = static_cast<int>(fd);
  return 0;
}

long MapUnderTest::fill() {
  std::vector<std::byte> key(shape_.key_size), value(value_bytes_);
  for (std::uint32_t n = 0; n < shape_.entries(); ++n) {
    key_of(n, key.data());
    std::memcpy(value.data(), &n, std::min(sizeof n, value.size()));
    if (const long error = element(BPF_MAP_UPDATE_ELEM, key.data(), value.data()); error != 0) return error;
  }
  return 0;
}

void MapUnderTest::key_of(std::uint32_t n, std::byte* key) const {
  constexpr std::uint32_t kOdd = 2654435769;  // spreads hashed keys; a bijection
  std::memset(key, 0, shape_.key_size);
  if (is_array(shape_.type)) {
    const std::uint32_t index = n < shape_.entries() ? n : shape_.max_entries + n;
    std::memcpy(key, &index, sizeof index);
    return;
  }
  const std::uint32_t spread = n * kOdd;
  if (shape_.type == BPF_MAP_TYPE_LPM_TRIE) {
    const std::uint32_t bits = trie_bits(shape_);
    std::memcpy(key, &bits, sizeof bits);
    std::memcpy(key + 4, &spread, sizeof spread);
    return;
  }
  std::memcpy(key, &spread, sizeof spread);
  std::memcpy(key + shape_.key_size - sizeof spread, &spread, sizeof spread);
}

// As libbpf's bpf_map_lookup_elem() and its like make it.
long MapUnderTest::element(int command, const std::byte* key, void* value, std::uint64_t flags) const {
  bpf_attr attr;
  std::memset(&attr, 0, kElementBytes);
  attr.map_fd = static_cast<std::uint32_t>(fd_);
  attr.key = reinterpret_cast<std::uint64_t>(key);
  attr.value = reinterpret_cast<std::uint64_t>(value);
  attr.flags = flags;
  return call(side_, command, attr, kElementBytes);
}

namespace {

// One call on both: whether they answer alike, and with the same bytes.
class Both {
 public:
  Both(const MapUnderTest& ours, const MapUnderTest& kernel) : maps_{&ours, &kernel} {
    for (auto& value : values_) value.resize(ours.value_bytes(), std::byte{7});
  }
  bool agree(int command, const std::byte* key) {
    for (std::size_t side = 0; side < 2; ++side) {
      void* value = command == BPF_MAP_DELETE_ELEM ? nullptr : values_[side].data();
      answers_[side] = maps_[side]->element(command, key, value);
    }
    return answers_[0] == answers_[1] && values_[0] == values_[1];
  }
  [[nodiscard]] std::string answers() const {
    return fmt::format("{} here, {} in the kernel", answers_[0], answers_[1]);
  }

 private:
  const MapUnderTest* maps_[2];
  std::vector<std::byte> values_[2];
  long answers_[2] = {};
};

}  // namespace

// Present entries are taken out and put back, absent ones put in and taken out again.
std::string difference(const MapUnderTest& ours, const MapUnderTest& kernel) {
  constexpr std::uint32_t kPresent = 2000, kAbsent = 10;
  constexpr int kTakenOut[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM};
  constexpr int kPutIn[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_LOOKUP_ELEM, BPF_MAP_DELETE_ELEM};
  const std::uint32_t present = std::min(kPresent, ours.shape().entries());
  std::vector<std::byte> key(ours.shape().key_size);
  Both both(ours, kernel);
  for (std::uint32_t n = 0; n < present + kAbsent; ++n) {
    const bool absent = n >= present;
    ours.key_of(absent ? ours.shape().entries() + n : n, key.data());
    for (const int command : absent ? kPutIn : kTakenOut) {
      if (!both.agree(command, key.data())) return fmt::format("command {}, entry {}: {}", command, n, both.answers());
    }
  }
  return {};
}

}  // namespace forager::bench

// SPDX-License-Identifier: Apache-2.0
//
// Maps of values without keys, three ways: ours, the kernel's, and models in standard containers.
#pragma once

#include <deque>
#include <set>

#include "maps_testing.h"

namespace forager::maps::testing {

class Values {
 public:
  virtual ~Values() = default;
  virtual int push(const Bytes& value, std::uint64_t flags) = 0;
  virtual Read peek(const Bytes& value) = 0;  // `value`: what a Bloom filter is asked about
  virtual Read pop() = 0;
};

class OurValues final : public Values {
 public:
  explicit OurValues(const MapSpec& spec) : map_(make(spec)) {}
  int push(const Bytes& value, std::uint64_t flags) override { return map_->write(nullptr, value.data(), flags); }
  Read peek(const Bytes& value) override {
    Bytes out = value;
    const int result = map_->read(nullptr, out.data(), 0);
    return {result, result == 0 ? out : Bytes{}};
  }
  Read pop() override {
    Bytes out(map_->spec().value_size, '\xff');
    const int result = map_->take(nullptr, out.data(), 0);
    return {result, result == 0 ? out : Bytes{}};
  }
  [[nodiscard]] Map& map() const { return *map_; }

 private:
  std::shared_ptr<Map> map_;
};

class KernelValues final : public Values {
 public:
  explicit KernelValues(const MapSpec& spec) : spec_(spec), fd_(kernel_create(spec)) {
    EXPECT_GE(fd_, 0) << std::strerror(-fd_);
  }
  KernelValues(const KernelValues&) = delete;
  KernelValues& operator=(const KernelValues&) = delete;
  ~KernelValues() override {
    if (fd_ >= 0) close(fd_);
  }
  int push(const Bytes& value, std::uint64_t flags) override {
    Bytes copy = value;
    return call(BPF_MAP_UPDATE_ELEM, copy, flags);
  }
  Read peek(const Bytes& value) override { return read(BPF_MAP_LOOKUP_ELEM, value); }
  Read pop() override { return read(BPF_MAP_LOOKUP_AND_DELETE_ELEM, Bytes(spec_.value_size, '\xff')); }

 private:
  int call(int command, Bytes& value, std::uint64_t flags) const {
    union bpf_attr attributes = {};
    attributes.map_fd = static_cast<std::uint32_t>(fd_);
    attributes.value = reinterpret_cast<std::uintptr_t>(value.data());
    attributes.flags = flags;
    return kernel_bpf(command, attributes);
  }
  [[nodiscard]] Read read(int command, Bytes value) const {
    const int result = call(command, value, 0);
    return {result, result == 0 ? value : Bytes{}};
  }

  MapSpec spec_;
  int fd_;
};

// QUEUE and STACK, oldest first.
class RingModel final : public Values {
 public:
  explicit RingModel(const MapSpec& spec) : spec_(spec) {}
  int push(const Bytes& value, std::uint64_t flags) override {
    if (flags != BPF_ANY && flags != BPF_EXIST) return -EINVAL;
    if (values_.size() == spec_.max_entries) {
      if (flags != BPF_EXIST) return -E2BIG;
      values_.pop_front();
    }
    values_.push_back(value);
    return 0;
  }
  Read peek(const Bytes&) override {
    if (values_.empty()) return {-ENOENT, {}};
    return {0, spec_.type == MapType::queue ? values_.front() : values_.back()};
  }
  Read pop() override {
    Read top = peek({});
    if (top.result != 0) return top;
    spec_.type == MapType::queue ? values_.pop_front() : values_.pop_back();
    return top;
  }
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  MapSpec spec_;
  std::deque<Bytes> values_;
};

inline Bytes random_value(Random& random, std::size_t size) {
  Bytes bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace forager::maps::testing

// SPDX-License-Identifier: Apache-2.0
#include "maps/element_ring.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "maps/attributes.h"

namespace forager::maps {

ElementRing::ElementRing(exec::MapSpec spec, Region values, Takes takes)
    : ValueMap(std::move(spec)), takes_(takes), values_(std::move(values)) {
  abilities_.list = this;
}

std::byte* ElementRing::at(std::uint64_t number) const {
  return values_.base() + (first_ + number) % spec().max_entries * spec().value_size;
}

int ElementRing::push(const void* value, std::uint64_t flags) {
  if (flags != BPF_ANY && flags != BPF_EXIST) return -EINVAL;
  const std::lock_guard guard(lock_);
  if (count_ == spec().max_entries) {
    if (flags != BPF_EXIST) return -E2BIG;
    first_ = (first_ + 1) % spec().max_entries;
    --count_;
  }
  std::memcpy(at(count_), value, spec().value_size);
  ++count_;
  return 0;
}

int ElementRing::copy(void* value, bool remove) {
  const std::lock_guard guard(lock_);
  if (count_ == 0) {
    std::memset(value, 0, spec().value_size);
    return -ENOENT;
  }
  std::memcpy(value, at(takes_ == Takes::oldest ? 0 : count_ - 1), spec().value_size);
  if (!remove) return 0;
  if (takes_ == Takes::oldest) first_ = (first_ + 1) % spec().max_entries;
  --count_;
  return 0;
}

exec::MapUsage ElementRing::usage() const {
  const std::lock_guard guard(lock_);
  return {count_, values_.size() + sizeof *this};
}

std::vector<std::byte> ElementRing::copy_out() const {
  const std::size_t size = spec().value_size;
  const std::lock_guard guard(lock_);
  std::vector<std::byte> bytes(count_ * size);
  for (std::size_t i = 0; i < count_; ++i) std::memcpy(bytes.data() + i * size, at(i), size);
  return bytes;
}

bool ElementRing::copy_in(std::span<const std::byte> bytes) {
  const std::size_t size = spec().value_size;
  if (bytes.size() % size != 0) return false;
  for (; !bytes.empty(); bytes = bytes.subspan(size)) {
    if (push(bytes.data(), BPF_ANY) != 0) return false;
  }
  return true;
}

// Under lock_.
void ElementRing::drop(std::uint64_t count, bool oldest) {
  const auto going = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, count_));
  if (oldest) first_ = static_cast<std::uint32_t>((std::uint64_t{first_} + going) % spec().max_entries);
  count_ -= going;
}

std::uint64_t ElementRing::change(std::uint64_t oldest, std::uint64_t newest, std::span<const std::byte> pushed) {
  const std::size_t size = spec().value_size;
  const std::lock_guard guard(lock_);
  drop(oldest, true);
  drop(newest, false);
  const std::size_t fitting = std::min<std::size_t>(pushed.size() / size, spec().max_entries - count_);
  for (std::size_t i = 0; i < fitting; ++i) std::memcpy(at(count_++), pushed.data() + i * size, size);
  return pushed.size() / size - fitting;
}

MapResult make_element_ring(exec::MapSpec spec, ElementRing::Takes takes) {
  const std::uint64_t bytes = std::uint64_t{spec.max_entries} * spec.value_size;
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 0)
                           .at_least("value_size", spec.value_size, 1)
                           .at_most("value_size", spec.value_size, kMaxKmalloc, E2BIG)
                           .allocates(bytes)
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto values = Region::reserve(bytes);
  if (!values) return std::unexpected(values.error());
  return std::make_shared<ElementRing>(std::move(spec), std::move(*values), takes);
}

}  // namespace forager::maps

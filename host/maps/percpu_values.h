// SPDX-License-Identifier: Apache-2.0
//
// The values of per-CPU maps: one block of memory for each CPU, on pages of its own so that CPUs share no cache line,
// and in it a value for each number. The address is base + cpu * block + number * stride.
//
// Outside, a per-CPU value is one buffer of slots, CPU after CPU, `stride` = value_size rounded up to 8 each.
//
// Tested by: tests/unit/maps_model_test.cc (percpu_*).
#pragma once

#include <cstddef>
#include <cstdint>

#include "maps/memory.h"
#include "maps/words.h"

namespace forager::maps {

class PerCpuValues {
 public:
  // ENOMEM.
  [[nodiscard]] Result<> open(std::uint32_t value_size, std::uint64_t numbers, unsigned cpus) {
    cpus_ = cpus;
    stride_ = round_up_words(value_size);
    block_ = round_up_pages(numbers * stride_);
    auto region = Region::reserve(block_ * cpus);
    if (!region) return std::unexpected(region.error());
    region_ = std::move(*region);
    return {};
  }

  [[nodiscard]] std::byte* at(std::uint64_t number, unsigned cpu) const {
    return region_.base() + cpu * block_ + number * stride_;
  }
  // Of a value's address.
  [[nodiscard]] std::uint64_t number_of(const void* value) const {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(value) - region_.base()) % block_ / stride_;
  }
  [[nodiscard]] std::uint64_t stride() const { return stride_; }
  [[nodiscard]] std::uint64_t bytes_for(std::uint64_t numbers) const { return numbers * stride_ * cpus_; }

  void copy_all_in(std::uint64_t number, const void* slots) const {
    const auto* from = static_cast<const std::byte*>(slots);
    for (unsigned cpu = 0; cpu < cpus_; ++cpu) copy_in(at(number, cpu), from + cpu * stride_, stride_);
  }
  void copy_all_out(std::uint64_t number, void* slots) const {
    auto* to = static_cast<std::byte*>(slots);
    for (unsigned cpu = 0; cpu < cpus_; ++cpu) copy_out(to + cpu * stride_, at(number, cpu), stride_);
  }
  // One CPU's value; those of the others become zero.
  void copy_one_in(std::uint64_t number, unsigned owner, const void* value, std::uint32_t value_size) const {
    for (unsigned cpu = 0; cpu < cpus_; ++cpu) {
      if (cpu != owner) clear(at(number, cpu), stride_);
    }
    copy_in(at(number, owner), value, value_size);
  }

 private:
  unsigned cpus_ = 0;
  std::uint64_t stride_ = 0;
  std::uint64_t block_ = 0;
  Region region_;
};

}  // namespace forager::maps

// SPDX-License-Identifier: Apache-2.0
//
// Checks of what a map is asked to be, as a chain: the first that fails decides, and says what, limit and asked.
// Errno values and limits are those of each type's map_alloc_check in Linux.
//
// Tested by: tests/unit/maps_registry_test.cc, against the kernel too.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "forager/result.h"
#include "isa/tables.h"
#include "program/program.h"

namespace forager::maps {

inline constexpr std::uint64_t kIntMax = std::numeric_limits<std::int32_t>::max();
inline constexpr std::uint64_t kMaxKmalloc = 4U << 20;       // KMALLOC_MAX_SIZE with 4 KiB pages
inline constexpr std::uint64_t kMaxPerCpuValue = 32U << 10;  // PCPU_MIN_UNIT_SIZE

// Creation flags (uapi/linux/bpf.h) that the types here act upon.
inline constexpr std::uint32_t kNoPrealloc = 1U << 0, kNoCommonLru = 1U << 1, kReadOnly = 1U << 3, kWriteOnly = 1U << 4,
                               kZeroSeed = 1U << 6, kReadOnlyProg = 1U << 7, kWriteOnlyProg = 1U << 8;

class Checks {
 public:
  explicit Checks(const program::MapSpec& spec) : spec_(spec) {}

  // EINVAL unless equal.
  Checks& equal(std::string_view what, std::uint64_t asked, std::uint64_t wanted);
  // EINVAL unless at least `limit`.
  Checks& at_least(std::string_view what, std::uint64_t asked, std::uint64_t limit);
  // `error` unless at most `limit`.
  Checks& at_most(std::string_view what, std::uint64_t asked, std::uint64_t limit, int error);
  // EINVAL unless it holds; `rule` is a whole phrase.
  Checks& require(bool holds, std::string_view rule);
  // ENOMEM if Linux, allocating so many bytes at creation, could not.
  Checks& allocates(std::uint64_t bytes);

  [[nodiscard]] Result<> done() const { return result_; }

 private:
  void refuse(ErrorKind kind, int error, std::string_view rule);
  void refuse(ErrorKind kind, int error, std::string_view rule, std::uint64_t limit, std::uint64_t asked);

  const program::MapSpec& spec_;
  Result<> result_;
};

// What holds for maps of every type: flags of the type's row, and how many CPUs there may be.
[[nodiscard]] Result<> check_flags(const program::MapSpec& spec, const isa::MapRow& row, unsigned cpus);

}  // namespace forager::maps

// SPDX-License-Identifier: Apache-2.0
#include "maps/attributes.h"

#include <fmt/format.h>

#include <cerrno>

#include "exec/map.h"
#include "maps/memory.h"

namespace forager::maps {

void Checks::refuse(ErrorKind kind, int error, std::string_view rule) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec_.type));
  result_ = fail(kind, error, fmt::format("{} map: {}", row == nullptr ? "unknown" : row->name, rule));
}

void Checks::refuse(ErrorKind kind, int error, std::string_view rule, std::uint64_t limit, std::uint64_t asked) {
  refuse(kind, error, rule);
  result_.error().limit = limit;
  result_.error().asked = asked;
}

Checks& Checks::equal(std::string_view what, std::uint64_t asked, std::uint64_t wanted) {
  if (result_ && asked != wanted) {
    refuse(ErrorKind::input, EINVAL, fmt::format("{} must be {}", what, wanted), wanted, asked);
  }
  return *this;
}

Checks& Checks::at_least(std::string_view what, std::uint64_t asked, std::uint64_t limit) {
  if (result_ && asked < limit) {
    refuse(ErrorKind::input, EINVAL, fmt::format("{} is too small", what), limit, asked);
  }
  return *this;
}

Checks& Checks::at_most(std::string_view what, std::uint64_t asked, std::uint64_t limit, int error) {
  if (result_ && asked > limit) refuse(ErrorKind::limit, error, fmt::format("{} is too large", what), limit, asked);
  return *this;
}

Checks& Checks::require(bool holds, std::string_view rule) {
  if (result_ && !holds) refuse(ErrorKind::input, EINVAL, rule);
  return *this;
}

Checks& Checks::allocates(std::uint64_t bytes) {
  if (!result_) return *this;
  if (const Result<> fits = check_memory(bytes); !fits) {
    refuse(ErrorKind::limit, ENOMEM, fits.error().message, *fits.error().limit, *fits.error().asked);
  }
  return *this;
}

Result<> check_flags(const program::MapSpec& spec, const isa::MapRow& row, unsigned cpus) {
  constexpr unsigned kMaxCpus = 8192;  // NR_CPUS of the largest kernels
  const std::uint32_t flags = spec.flags;
  const bool lru = spec.type == isa::MapType::lru_hash || spec.type == isa::MapType::lru_percpu_hash;
  if (lru && (flags & kNoPrealloc) != 0 && (flags & ~(row.flags | kNoPrealloc)) == 0) {
    return fail(ErrorKind::input, exec::kNotSupported, fmt::format("{} map: it is always preallocated", row.name));
  }
  const auto not_both = [flags](std::uint32_t a, std::uint32_t b) { return (flags & a) == 0 || (flags & b) == 0; };
  return Checks(spec)
      .require((flags & ~row.flags) == 0, fmt::format("map_flags {:#x} are not for this type", flags & ~row.flags))
      .require((flags & row.needed_flags) == row.needed_flags,
               fmt::format("map_flags need {:#x}", row.needed_flags & ~flags))
      .require(not_both(kReadOnly, kWriteOnly), "BPF_F_RDONLY and BPF_F_WRONLY exclude each other")
      .require(not_both(kReadOnlyProg, kWriteOnlyProg), "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other")
      .at_least("the number of CPUs", cpus, 1)
      .at_most("the number of CPUs", cpus, kMaxCpus, EINVAL)
      .done();
}

}  // namespace forager::maps

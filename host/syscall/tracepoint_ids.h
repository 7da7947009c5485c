// SPDX-License-Identifier: Apache-2.0
//
// The numbers by which perf_event_open(2) names virtual events. On Linux they stand in files of sysfs and tracefs,
// which libbpf reads; virtual_files.h gives it these instead. They are far above those of a kernel.
//
// Tested by: tests/unit/syscall_probe_test.cc.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forager::syscall {

inline constexpr std::uint32_t kKprobeType = 0x666f0001;  // perf_event_attr::type of probes
inline constexpr std::uint32_t kUprobeType = 0x666f0002;

class TracepointIds {
 public:
  static constexpr std::uint64_t kFirst = 0x666f0000;
  static constexpr std::size_t kMost = 1U << 16;  // names come from callers

  // The id of "category/event", from now on; nothing if there are too many.
  [[nodiscard]] std::optional<std::uint64_t> id_of(std::string_view name) {
    const std::lock_guard guard(mutex_);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return kFirst + i;
    }
    if (names_.size() == kMost) return std::nullopt;
    names_.emplace_back(name);
    return kFirst + names_.size() - 1;
  }
  [[nodiscard]] std::optional<std::string> name_of(std::uint64_t id) const {
    const std::lock_guard guard(mutex_);
    if (id < kFirst || id - kFirst >= names_.size()) return std::nullopt;
    return names_[id - kFirst];
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
};

}  // namespace forager::syscall

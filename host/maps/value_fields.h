// SPDX-License-Identifier: Apache-2.0
//
// ValueFields: the parts of a map's values that no copy touches, since the runtime keeps them for itself: spin locks,
// timers, and what else BTF names (MapSpec::fields; kernel/bpf/syscall.c copy_map_value).
//
// A copy into storage leaves the bytes of fields as they are, a copy out gives zeros there. What lies between fields is
// copied by words, and by half words at their edges: fields stand at multiples of four, so that no store of a copy
// ever covers a byte of a lock that somebody takes meanwhile.
//
// A field is zero in an element that is new: storage begins as zeros, a lock is held only by those who will free it,
// and the timers of an element that goes are ended (exec::ValueHooks). So a lock whose holder still works on an element
// that was deleted excludes him from the next element there too.
//
// Tested by: tests/unit/maps_fields_test.cc, syscall_value_fields_test.cc (against the kernel).
#pragma once

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "exec/map.h"
#include "exec/spin_lock.h"
#include "maps/words.h"

namespace forager::maps {

inline constexpr std::uint64_t kLock = BPF_F_LOCK;

class ValueFields {
 public:
  explicit ValueFields(const program::MapSpec& spec) : size_(spec.value_size) {
    std::vector<program::ValueField> fields = spec.fields;
    std::ranges::sort(fields, {}, &program::ValueField::offset);
    std::uint32_t from = 0;
    for (const program::ValueField& field : fields) {
      add_run(from, std::min(field.offset & ~(kHalf - 1), size_));
      from = std::min((field.offset + field.size + kHalf - 1) & ~(kHalf - 1), size_);
      if (field.kind == program::ValueField::Kind::spin_lock) lock_ = field.offset;
      timers_ |= field.kind == program::ValueField::Kind::timer;
      any_ = true;
    }
    add_run(from, size_);
  }

  [[nodiscard]] bool any() const { return any_; }
  [[nodiscard]] bool timers() const { return timers_; }
  // -EINVAL for flags that a read does not know, and for BPF_F_LOCK where values have no lock.
  [[nodiscard]] int check_read(std::uint64_t flags) const {
    return (flags & ~kLock) != 0 ? -EINVAL : check_lock(flags);
  }
  [[nodiscard]] int check_lock(std::uint64_t flags) const {
    return (flags & kLock) != 0 && lock_ == kNoLock ? -EINVAL : 0;
  }

  void copy_in(std::byte* storage, const void* from) const {
    if (!any_) return maps::copy_in(storage, from, size_);
    for (const Run& run : runs_) copy_run_in(run, storage, static_cast<const std::byte*>(from));
  }
  void copy_out(void* to, const std::byte* storage) const {
    if (!any_) return maps::copy_out(to, storage, size_);
    std::memset(to, 0, size_);
    for (const Run& run : runs_) copy_run_out(run, static_cast<std::byte*>(to), storage);
  }

  // copy() while the value's lock is held, if the flags ask for that.
  template <class Copy>
  void guard(std::byte* storage, std::uint64_t flags, Copy copy) const {
    if ((flags & kLock) == 0) return copy();
    auto& lock = *reinterpret_cast<std::uint32_t*>(storage + lock_);
    exec::lock_value(lock);
    copy();
    exec::unlock_value(lock);
  }

 private:
  static constexpr std::uint32_t kNoLock = UINT32_MAX, kHalf = 4;
  // Bytes [from, to) of the value, between fields; both are multiples of 4, but for the value's end.
  struct Run {
    std::uint32_t from, to;
  };
  using Half [[gnu::may_alias]] = std::uint32_t;

  void add_run(std::uint32_t from, std::uint32_t to) {
    if (from < to) runs_.push_back({from, to});
  }
  // Whether a whole word may be copied at `at`: not across the run's end, unless the value ends there.
  [[nodiscard]] bool whole(const Run& run, std::uint32_t at) const {
    return at % kWordBytes == 0 && (run.to - at >= kWordBytes || (run.to == size_ && run.to - at > kHalf));
  }
  void copy_run_in(const Run& run, std::byte* storage, const std::byte* from) const {
    for (std::uint32_t at = run.from; at < run.to;) {
      const std::uint32_t bytes = whole(run, at) ? kWordBytes : kHalf;
      Word word = 0;
      std::memcpy(&word, from + at, std::min(bytes, run.to - at));
      if (bytes == kWordBytes) {
        store_word(storage + at, word);
      } else {
        __atomic_store_n(reinterpret_cast<Half*>(storage + at), static_cast<std::uint32_t>(word), __ATOMIC_RELEASE);
      }
      at += bytes;
    }
  }
  void copy_run_out(const Run& run, std::byte* to, const std::byte* storage) const {
    for (std::uint32_t at = run.from; at < run.to;) {
      const std::uint32_t bytes = whole(run, at) ? kWordBytes : kHalf;
      const Word word = bytes == kWordBytes
                            ? load_word(storage + at)
                            : __atomic_load_n(reinterpret_cast<const Half*>(storage + at), __ATOMIC_ACQUIRE);
      std::memcpy(to + at, &word, std::min(bytes, run.to - at));
      at += bytes;
    }
  }

  std::uint32_t size_;
  std::uint32_t lock_ = kNoLock;  // its offset
  bool any_ = false;
  bool timers_ = false;
  std::vector<Run> runs_;
};

}  // namespace forager::maps

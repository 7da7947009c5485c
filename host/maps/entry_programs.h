// SPDX-License-Identifier: Apache-2.0
//
// EntryPrograms: the programs of a DEVMAP's, DEVMAP_HASH's or CPUMAP's entries, by key.
//
// The map itself holds a word for each entry: its number (ifindex, length of the queue) and its program's id, which
// programs read in place. A program that stands in such a word has a row here, which repeats the word, so that who
// wants both gets them from one moment. The row comes before the word and goes after it: a reader that finds a word
// with an id, and no row, came upon a change, and finds another word when it looks again.
//
// Readers lock nothing. Writers are one at a time in each map (Linux: the same of DEVMAP_HASH). Memory is taken with
// the first program.
//
// Tested by: tests/unit/maps_redirects_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "exec/map.h"
#include "maps/object_hash.h"
#include "maps/words.h"

namespace forager::maps {

// struct bpf_devmap_val, bpf_cpumap_val. Outside, a value may be the number alone.
struct EntryValue {
  std::uint32_t number = 0;
  std::int32_t program = 0;  // fd in, none if not positive; id out
};
static_assert(sizeof(EntryValue) == kWordBytes);

[[nodiscard]] inline EntryValue entry_value(const void* bytes, std::uint32_t value_size) {
  EntryValue value;
  std::memcpy(&value, bytes, value_size);
  return value;
}
[[nodiscard]] inline EntryValue entry_value(Word word) { return entry_value(&word, sizeof word); }

[[nodiscard]] inline Word entry_word(std::uint32_t number, const exec::ProgramSlot& program) {
  const std::uint32_t parts[] = {number, program.id};
  Word word = 0;
  std::memcpy(&word, parts, sizeof word);
  return word;
}

class EntryPrograms {
 public:
  explicit EntryPrograms(std::uint32_t max_entries) : max_entries_(max_entries) {}

  class Change;

  // `load()` gives the map's word for the key, 0 if there is none.
  template <class Load>
  [[nodiscard]] std::optional<exec::RedirectEntry> get(const void* key, Load load) const {
    for (;;) {
      const Word word = load();
      const EntryValue value = entry_value(word);
      if (value.program == 0) return word == 0 ? std::nullopt : std::optional<exec::RedirectEntry>({value.number, {}});
      Row row = rows_->get(key);
      if (row.program.program != nullptr) return exec::RedirectEntry{row.number, std::move(row.program)};
    }
  }

  [[nodiscard]] std::uint64_t bytes() const {
    const std::lock_guard guard(mutex_);
    return rows_ != nullptr ? rows_->bytes() : 0;
  }

 private:
  struct Row {
    std::uint32_t number = 0;
    exec::ProgramSlot program;
  };
  using Rows = ObjectHash<Row>;

  [[nodiscard]] int open_rows() {
    if (rows_ != nullptr) return 0;
    auto rows = std::make_unique<Rows>();
    if (!rows->open({.key_size = 4, .max_entries = max_entries_})) return -ENOMEM;
    rows_ = std::move(rows);
    return 0;
  }

  std::uint32_t max_entries_;
  mutable std::mutex mutex_;
  std::unique_ptr<Rows> rows_;  // readers come by a word that was stored after it
};

// One writer's hold on the map, for the time that it changes an entry.
class EntryPrograms::Change {
 public:
  Change(EntryPrograms& all, const void* key) : all_(all), key_(key), guard_(all.mutex_) {
    if (all_.rows_ != nullptr) before_ = all_.rows_->get(key_);
  }

  // Before the map has the entry's word. -ENOMEM.
  [[nodiscard]] int come(std::uint32_t number, exec::ProgramSlot program) {
    if (program.program == nullptr) return 0;
    if (const int error = all_.open_rows(); error != 0) return error;
    stays_ = true;
    return all_.rows_->set(key_, {number, std::move(program)}, BPF_ANY);
  }
  // After the map has another word, or none.
  void settle() {
    if (!stays_ && before_.program.program != nullptr) std::ignore = all_.rows_->erase(key_);
  }

 private:
  EntryPrograms& all_;
  const void* key_;
  Row before_;  // destroyed when the lock is gone: a program may hold anything
  bool stays_ = false;
  std::unique_lock<std::mutex> guard_;
};

// Who asks for no program by a descriptor, and so finds none.
[[nodiscard]] inline int no_programs(int, exec::ProgramSlot&) { return -EBADF; }

}  // namespace forager::maps

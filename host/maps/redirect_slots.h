// SPDX-License-Identifier: Apache-2.0
//
// RedirectSlots: what DEVMAP and CPUMAP share: entries at an index that may have a program (entry_programs.h).
//
// Tested by: tests/unit/maps_model_test.cc, maps_slots_test.cc, maps_redirects_test.cc.
#pragma once

#include <optional>
#include <utility>

#include "maps/entry_programs.h"
#include "maps/slot_map.h"

namespace forager::maps {

class RedirectSlots : public SlotMap, private exec::RedirectTable {
 public:
  int update(const void* key, const void* value, std::uint64_t flags, unsigned) final {
    return set(key, value, flags, no_programs);
  }
  int erase(const void* key) final {
    EntryPrograms::Change change(programs_, key);
    const int error = SlotMap::erase(key);
    change.settle();
    return error;
  }
  [[nodiscard]] exec::MapUsage usage() const final {
    const exec::MapUsage slots = SlotMap::usage();
    return {slots.entries, slots.bytes + programs_.bytes()};
  }

 protected:
  using Find = exec::RedirectTable::Find;

  explicit RedirectSlots(exec::MapSpec spec) : SlotMap(std::move(spec)), programs_(this->spec().max_entries) {
    if (this->spec().value_size == kWordBytes) abilities_.redirects = this;
  }

  // 0, or what is wrong with the value; its program, if it has one.
  [[nodiscard]] virtual int check(std::uint32_t index, EntryValue value, const Find& find,
                                  exec::ProgramSlot& program) const = 0;

 private:
  int set(const void* key, const void* value, std::uint64_t flags, const Find& find) final {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags, spec().max_entries); error != 0) return error;
    const EntryValue asked = entry_value(value, spec().value_size);
    exec::ProgramSlot program;
    if (const int error = check(index, asked, find, program); error != 0) return error;
    const Word word = asked.number == 0 ? 0 : entry_word(asked.number, program);
    EntryPrograms::Change change(programs_, key);
    if (const int error = change.come(asked.number, std::move(program)); error != 0) return error;
    slots().set(index, word);
    change.settle();
    return 0;
  }

  std::optional<exec::RedirectEntry> get(const void* key) final {
    return programs_.get(key, [&] { return slots().get(index_of(key)); });
  }

  EntryPrograms programs_;
};

}  // namespace forager::maps

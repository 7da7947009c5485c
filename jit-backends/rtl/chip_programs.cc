// SPDX-License-Identifier: Apache-2.0
//
// PROG_ARRAY on the chip: where in instruction memory each program begins. A program that is not there yet is marked so:
// the first tail call to it is the host's, who loads it.
#include <cstring>
#include <vector>

#include "jit-backends/rtl/chip_table.h"
#include "jit-backends/rtl/loader.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint64_t kNotLoaded = std::uint64_t{1} << 63;

class ChipPrograms final : public ChipTable {
 public:
  ChipPrograms(const ChipMap& map, exec::Map& host, const ChipPlace& place)
      : map_(map), host_(host), place_(place), rows_(place.row + map.entry_row, map.end_row - map.entry_row) {}

  Result<> upload(sim::Board& board) override {
    std::vector<std::byte> now(rows_.size());
    for (std::uint32_t key = 0; key < host_.spec().max_entries; ++key) {
      const std::uint64_t word = word_of(key);
      std::memcpy(now.data() + sizeof word * key, &word, sizeof word);
    }
    if (auto put = rows_.write(board, now); !put) return put;
    return write_descriptor(board, map_, host_.spec(), place_, {});
  }

  bool shows_programs() const override { return true; }

 private:
  // One more than the first bundle: 0 is nothing.
  [[nodiscard]] std::uint64_t word_of(std::uint32_t key) const {
    const exec::ProgramTable* programs = host_.abilities().programs;
    const exec::ProgramSlot slot = programs == nullptr ? exec::ProgramSlot{} : programs->get(key);
    if (slot.program == nullptr) return 0;
    const Resident* resident = place_.loader->resident(slot);
    return resident == nullptr ? kNotLoaded : std::uint64_t{resident->first} + 1;
  }

  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  ChipRows rows_;
};

}  // namespace

std::unique_ptr<ChipTable> make_chip_programs(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  return std::make_unique<ChipPrograms>(map, host, place);
}

}  // namespace forager::jit::rtl

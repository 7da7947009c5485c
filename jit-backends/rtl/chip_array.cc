// SPDX-License-Identifier: Apache-2.0
//
// ARRAY and PERCPU_ARRAY on the chip: values one after the other, for each thread.
#include <vector>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {
namespace {

class ChipArray final : public ChipTable {
 public:
  ChipArray(const ChipMap& map, exec::Map& host, const ChipPlace& place) : map_(map), host_(host), place_(place) {
    const unsigned copies = map.per_cpu ? place.threads : 1;
    for (unsigned lane = 0; lane < copies; ++lane) {
      Copy copy{.rows = ChipRows(place.row + map.value_row + lane * map.value_rows, map.value_rows), .values = {}};
      for (std::uint32_t key = 0; key < host.spec().max_entries; ++key) {
        copy.values.push_back(static_cast<std::byte*>(host.lookup(&key, place.cpu + lane)));
      }
      copies_.push_back(std::move(copy));
    }
  }

  Result<> upload(sim::HostPort& board) override {
    Result<> done = write_descriptor(board, map_, host_.spec(), place_, {});
    for (Copy& copy : copies_) {
      if (!done) return done;
      std::vector<std::byte> now(copy.rows.size());
      for (std::size_t i = 0; i < copy.values.size(); ++i) {
        value_from_host(copy.values[i], {now.data() + i * map_.stride, map_.stride});
      }
      done = copy.rows.write(board, now);
    }
    return done;
  }

  Result<> download(sim::HostPort& board) override {
    for (Copy& copy : copies_) {
      const std::vector<std::byte> before(copy.rows.at(0), copy.rows.at(0) + copy.rows.size());
      if (auto read = copy.rows.read(board); !read) return read;
      for (std::size_t i = 0; i < copy.values.size(); ++i) {
        const std::size_t at = i * map_.stride;
        changes_to_host({before.data() + at, map_.stride}, {copy.rows.at(at), map_.stride}, copy.values[i]);
      }
    }
    return {};
  }

 private:
  struct Copy {
    ChipRows rows;
    std::vector<std::byte*> values;  // in the host's memory
  };
  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  std::vector<Copy> copies_;
};

}  // namespace

std::unique_ptr<ChipTable> make_chip_array(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  return std::make_unique<ChipArray>(map, host, place);
}

}  // namespace forager::jit::rtl

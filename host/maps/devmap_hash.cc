// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP_HASH: ports by any 32-bit key (kernel/bpf/devmap.c). HashTable with devmap values, and Linux's own answers:
// BPF_EXIST inserts a key that is not there, and a value without a port is refused rather than a deletion.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_redirects_test.cc.
#include <linux/bpf.h>

#include "maps/array_keys.h"
#include "maps/devmap_value.h"
#include "maps/hash_table.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::uint64_t kMaxPorts = 1U << 31;

class DevHashMap final : public exec::Map, private exec::RedirectTable {
 public:
  explicit DevHashMap(exec::MapSpec spec) : Map(std::move(spec)), programs_(this->spec().max_entries) {
    if (this->spec().value_size == kWordBytes) abilities_.redirects = this;
  }

  [[nodiscard]] Result<> open() {
    return table_.open({.key_size = 4, .value_size = kWordBytes, .max_entries = spec().max_entries});
  }

  void* lookup(const void* key, unsigned) override {
    const auto hit = table_.find(key);
    return hit ? table_.value(hit.node) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    return set(key, value, flags, no_programs);
  }

  int erase(const void* key) override {
    EntryPrograms::Change change(programs_, key);
    const int error = table_.erase(key);
    change.settle();
    return error;
  }

  int next_key(const void* key, void* next) override { return table_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    Word word = 0;
    if (flags != 0) return -EINVAL;
    if (!table_.read(key, &word)) return -ENOENT;
    std::memcpy(value, &word, spec().value_size);
    return 0;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  [[nodiscard]] exec::MapUsage usage() const override { return {table_.entries(), table_.bytes() + programs_.bytes()}; }

 private:
  int set(const void* key, const void* value, std::uint64_t flags, const Find& find) override {
    const EntryValue port = entry_value(value, spec().value_size);
    if (flags > BPF_EXIST || port.number == 0) return -EINVAL;
    EntryPrograms::Change change(programs_, key);
    const bool present = static_cast<bool>(table_.find(key));
    if (present && flags == BPF_NOEXIST) return -EEXIST;
    exec::ProgramSlot program;
    if (const int error = find_devmap_program(port, find, program); error != 0) return error;
    const NodeId node = present ? 0 : table_.take(index_of(key));
    if (!present && node == 0) return -E2BIG;
    const Word word = entry_word(port.number, program);
    if (const int error = change.come(port.number, std::move(program)); error != 0) {
      if (node != 0) table_.give(node, index_of(key));
      return error;
    }
    store(key, node, word);
    change.settle();
    return 0;
  }

  // In the node, or in the entry that is there.
  void store(const void* key, NodeId node, Word word) {
    auto entry = table_.lock(key);
    if (node != 0) {
      entry.insert(node, &word);
    } else {
      entry.replace(&word);
    }
  }

  std::optional<exec::RedirectEntry> get(const void* key) override {
    return programs_.get(key, [&] {
      Word word = 0;
      std::ignore = table_.read(key, &word);
      return word;
    });
  }

  HashTable table_;
  EntryPrograms programs_;
};

}  // namespace

MapResult make_devmap_hash(exec::MapSpec spec, unsigned) {
  const auto checked = check_devmap(spec).at_most("max_entries", spec.max_entries, kMaxPorts, EINVAL).done();
  spec.flags |= kReadOnlyProg;
  return open_map<DevHashMap>(checked, std::move(spec));
}

}  // namespace forager::maps

// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP: ports by index (kernel/bpf/devmap.c), for bpf_redirect_map. A slot is one word, empty if its ifindex is 0, so
// that every operation is one atomic load or store. Programs read only: BPF_F_RDONLY_PROG is set, as Linux sets it.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc.
#include <bit>

#include "maps/array_keys.h"
#include "maps/devmap_value.h"
#include "maps/memory.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class DevMap final : public exec::Map {
 public:
  DevMap(exec::MapSpec spec, Region slots) : Map(std::move(spec)), slots_(std::move(slots)) {}

  void* lookup(const void* key, unsigned) override {
    const std::uint32_t index = index_of(key);
    return index < spec().max_entries && load_word(at(index)) != 0 ? at(index) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags, spec().max_entries); error != 0) return error;
    const DevmapValue port = devmap_value(value, spec().value_size);
    if (const int error = check_devmap_value(port); error != 0) return error;
    store(index, port.ifindex == 0 ? 0 : devmap_word(port));
    return 0;
  }

  int erase(const void* key) override {
    const std::uint32_t index = index_of(key);
    if (index >= spec().max_entries) return -EINVAL;
    store(index, 0);
    return 0;
  }

  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    const std::uint32_t index = index_of(key);
    if (flags != 0) return -EINVAL;
    const Word word = index < spec().max_entries ? load_word(at(index)) : 0;
    if (word == 0) return -ENOENT;
    std::memcpy(value, &word, spec().value_size);
    return 0;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  [[nodiscard]] exec::MapUsage usage() const override {
    return {used_.load(std::memory_order_relaxed), slots_.size() + sizeof *this};
  }

 private:
  [[nodiscard]] std::byte* at(std::uint32_t index) const { return slots_.base() + index * kWordBytes; }

  void store(std::uint32_t index, Word word) {
    const Word old = __atomic_exchange_n(reinterpret_cast<StoredWord*>(at(index)), word, __ATOMIC_ACQ_REL);
    used_.fetch_add((word != 0 ? 1U : 0U) - (old != 0 ? 1U : 0U), std::memory_order_relaxed);
  }

  Region slots_;
  std::atomic<std::uint32_t> used_{0};
};

}  // namespace

MapResult make_devmap(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = std::uint64_t{spec.max_entries} * kWordBytes;
  if (auto checked = check_devmap(spec).allocates(bytes).done(); !checked) return std::unexpected(checked.error());
  auto slots = Region::reserve(bytes);
  if (!slots) return std::unexpected(slots.error());
  spec.flags |= kReadOnlyProg;
  return std::make_shared<DevMap>(std::move(spec), std::move(*slots));
}

}  // namespace forager::maps

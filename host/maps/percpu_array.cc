// SPDX-License-Identifier: Apache-2.0
//
// PERCPU_ARRAY: an array with one value for each CPU (kernel/bpf/arraymap.c). A program sees its own CPU's value, which
// no other program writes; the host reads and writes those of all CPUs at once.
//
// Like ARRAY, writes are in place, and the host's are whole against each other and against update().
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc.
#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/lock.h"
#include "maps/percpu_values.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class PerCpuArrayMap final : public exec::Map, public exec::Elements {
 public:
  PerCpuArrayMap(exec::MapSpec spec, PerCpuValues values) : Map(std::move(spec)), values_(std::move(values)) {
    abilities_.elements = this;
  }

  void* lookup(const void* key, unsigned cpu) override {
    const std::uint32_t index = index_of(key);
    return index < spec().max_entries ? values_.at(index, cpu) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags, spec().max_entries); error != 0) return error;
    locks_.of(index).write([&] { copy_in(values_.at(index, cpu), value, spec().value_size); });
    return 0;
  }

  int erase(const void*) override { return -EINVAL; }

  exec::DirectLookup direct_lookup(unsigned cpu) override {
    return {.kind = exec::DirectLookup::Kind::indexed, .base = values_.at(0, cpu), .stride = values_.stride()};
  }

  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    const std::uint32_t index = index_of(key);
    if (flags != 0) return -EINVAL;
    if (index >= spec().max_entries) return -ENOENT;
    locks_.of(index).read([&] { values_.copy_all_out(index, value); });
    return 0;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags, spec().max_entries); error != 0) return error;
    locks_.of(index).write([&] { values_.copy_all_in(index, value); });
    return 0;
  }

  // exec::Elements: an index never goes away.
  int next(const void* key, void* next) override { return next_key(key, next); }
  void* peek(const void* key, unsigned cpu) override { return lookup(key, cpu); }
  void key_of(const void* value, void* key) const override {
    const auto index = static_cast<std::uint32_t>(values_.number_of(value));
    std::memcpy(key, &index, sizeof index);
  }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return 0; }
  [[nodiscard]] exec::MapUsage usage() const override {
    return {spec().max_entries, values_.bytes_for(spec().max_entries) + sizeof *this};
  }

 private:
  PerCpuValues values_;
  ValueLocks locks_;
};

}  // namespace

MapResult make_percpu_array(exec::MapSpec spec, unsigned cpus) {
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .at_least("value_size", spec.value_size, 1)
                           .at_most("value_size", spec.value_size, kMaxPerCpuValue, E2BIG)
                           .allocates(spec.max_entries * (round_up_words(spec.value_size) * cpus + kWordBytes))
                           .done();
  if (!checked) return std::unexpected(checked.error());
  PerCpuValues values;
  if (auto opened = values.open(spec.value_size, spec.max_entries, cpus); !opened) {
    return std::unexpected(opened.error());
  }
  return std::make_shared<PerCpuArrayMap>(std::move(spec), std::move(values));
}

}  // namespace forager::maps

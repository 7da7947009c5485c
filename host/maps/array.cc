// SPDX-License-Identifier: Apache-2.0
//
// ARRAY: max_entries values, all there from the start, zero (kernel/bpf/arraymap.c).
//
// The values stand in a memfd, `stride` = value_size rounded up to 8 apart, the first one at its start: mmap() of that
// fd is what BPF_F_MMAPABLE promises, and lookup is address arithmetic. Global data of programs lives in such maps.
//
// update() and write() overwrite in place, as in Linux, since programs keep addresses of values for good. Among
// themselves and against read() they are whole (ValueLocks); a program's own stores have the kernel's guarantee, none.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc.
#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/lock.h"
#include "maps/memory.h"
#include "maps/types.h"
#include "maps/value_fields.h"
#include "maps/words.h"

namespace forager::maps {
namespace {

class ArrayMap final : public exec::Map, public exec::Elements {
 public:
  ArrayMap(exec::MapSpec spec, Fd file, Region values)
      : Map(std::move(spec)),
        file_(std::move(file)),
        values_(std::move(values)),
        stride_(round_up_words(this->spec().value_size)),
        fields_(this->spec()) {
    abilities_.elements = this;
  }

  void* lookup(const void* key, unsigned) override {
    const std::uint32_t index = index_of(key);
    return index < spec().max_entries ? at(index) : nullptr;
  }

  // A value that is overwritten loses its timers (kernel/bpf/arraymap.c).
  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags & ~kLock, spec().max_entries); error != 0) return error;
    if (const int error = fields_.check_lock(flags); error != 0) return error;
    fields_.guard(at(index), flags, [&] { locks_.of(index).write([&] { fields_.copy_in(at(index), value); }); });
    if (fields_.timers()) release_value(at(index));
    return 0;
  }

  int erase(const void*) override { return -EINVAL; }

  exec::DirectLookup direct_lookup(unsigned) override {
    return {.kind = exec::DirectLookup::Kind::indexed, .base = values_.base(), .stride = stride_};
  }

  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    const std::uint32_t index = index_of(key);
    if (const int error = fields_.check_read(flags); error != 0) return error;
    if (index >= spec().max_entries) return -ENOENT;
    fields_.guard(at(index), flags, [&] { locks_.of(index).read([&] { fields_.copy_out(value, at(index)); }); });
    return 0;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override {
    if (const int error = fields_.check_lock(flags); error != 0) return error;
    return update(key, value, flags, 0);
  }

  // exec::Elements: an index never goes away.
  int next(const void* key, void* next) override { return next_key(key, next); }
  void* peek(const void* key, unsigned cpu) override { return lookup(key, cpu); }
  void key_of(const void* value, void* key) const override {
    const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(value) - values_.base());
    const auto index = static_cast<std::uint32_t>(offset / stride_);
    std::memcpy(key, &index, sizeof index);
  }

  [[nodiscard]] exec::MapMemory memory() const override { return {file_.get(), values_.base(), values_.size()}; }
  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return 0; }
  [[nodiscard]] exec::MapUsage usage() const override { return {spec().max_entries, values_.size() + sizeof *this}; }

 private:
  [[nodiscard]] std::byte* at(std::uint32_t index) const { return values_.base() + index * stride_; }

  Fd file_;
  Region values_;
  std::uint64_t stride_;
  ValueFields fields_;
  ValueLocks locks_;
};

}  // namespace

MapResult make_array(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = round_up_pages(spec.max_entries * round_up_words(spec.value_size));
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .at_least("value_size", spec.value_size, 1)
                           .at_most("value_size", spec.value_size, kIntMax, E2BIG)
                           .allocates(bytes)
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto file = Fd::memory("forager array " + spec.name, bytes);
  if (!file) return std::unexpected(file.error());
  auto values = Region::share(file->get(), bytes);
  if (!values) return std::unexpected(values.error());
  return std::make_shared<ArrayMap>(std::move(spec), std::move(*file), std::move(*values));
}

}  // namespace forager::maps

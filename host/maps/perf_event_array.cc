// SPDX-License-Identifier: Apache-2.0
//
// PERF_EVENT_ARRAY: perf buffers by index, usually one for each CPU, for bpf_perf_event_output (kernel/bpf/arraymap.c).
// The host writes the fd of a perf event, which bpf(2) resolves to a PerfSink and hands to PerfTable::set; write()
// knows none and answers EBADF. What was written cannot be read back: Linux's own ENOTSUPP.
//
// Tested by: tests/unit/maps_objects_test.cc, maps_perf_test.cc.
#include "maps/object_array.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP, which the kernel lets out and no user header names

class PerfEventArrayMap final : public exec::Map, private exec::PerfTable {
 public:
  explicit PerfEventArrayMap(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.perf = this; }
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return slots_.clear(index_of(key)); }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }
  int read(const void*, void*, std::uint64_t flags) override { return flags != 0 ? -EINVAL : -kNotSupported; }

  int write(const void* key, const void*, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return index_of(key) < spec().max_entries ? -EBADF : -E2BIG;
  }

  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 private:
  int set(std::uint32_t index, std::shared_ptr<exec::PerfSink> sink) override {
    if (sink != nullptr) return slots_.set(index, std::move(sink));
    const int cleared = slots_.clear(index);
    return cleared == -ENOENT ? 0 : cleared;
  }
  [[nodiscard]] std::shared_ptr<exec::PerfSink> get(std::uint32_t index) const override { return slots_.get(index); }

  ObjectSlots<std::shared_ptr<exec::PerfSink>> slots_;
};

}  // namespace

MapResult make_perf_event_array(exec::MapSpec spec, unsigned) {
  const auto checked = check_object_array(spec);
  return open_map<PerfEventArrayMap>(checked, std::move(spec));
}

}  // namespace forager::maps

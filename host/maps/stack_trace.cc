// SPDX-License-Identifier: Apache-2.0
//
// STACK_TRACE: stacks by an id that is their hash (kernel/bpf/stackmap.c). There are as many buckets as max_entries,
// rounded up to a power of two; a stack's bucket, and its id, is its hash modulo that, so that one stack has one id
// always and two may want the same. BPF_F_REUSE_STACKID lets the new one have it. The hash is Linux's: so are the ids.
//
// max_entries stacks are held at most, in nodes of a pool; a bucket is the number of a node, 0 if empty. A bucket
// changes under one of a few ValueLocks, and reading one writes nothing. (Linux takes a stack out while it is read, and
// a second reader misses it then.)
//
// With BPF_F_STACK_BUILD_ID an entry is a struct bpf_stack_build_id. Of the traced machine only addresses are known,
// not which file is mapped where; so entries say BPF_STACK_BUILD_ID_IP, as Linux's do where it cannot tell.
//
// Tested by: tests/unit/maps_stack_trace_test.cc, maps_values_concurrency_test.cc.
#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/jhash.h"
#include "maps/lock.h"
#include "maps/node_pool.h"
#include "maps/types.h"
#include "maps/words.h"

namespace forager::maps {
namespace {

constexpr std::uint32_t kMaxFrames = 127;          // sysctl kernel.perf_event_max_stack, as it comes
constexpr std::uint32_t kBuildId = 1U << 5;        // BPF_F_STACK_BUILD_ID
constexpr std::uint64_t kMaxBuckets = 1ULL << 31;  // of 32-bit numbers, the largest power of two
constexpr std::uint64_t kPutFlags =
    BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID;

std::uint32_t frame_bytes(const exec::MapSpec& spec) {
  return (spec.flags & kBuildId) != 0 ? sizeof(bpf_stack_build_id) : sizeof(std::uint64_t);
}

class StackTraceMap final : public exec::Map, public exec::StackTable {
 public:
  explicit StackTraceMap(exec::MapSpec spec)
      : Map(std::move(spec)),
        mask_(static_cast<std::uint32_t>(std::bit_ceil(std::uint64_t{this->spec().max_entries}) - 1)) {
    abilities_.stacks = this;
  }

  [[nodiscard]] Result<> open() {
    auto buckets = Region::reserve((std::uint64_t{mask_} + 1) * sizeof(NodeId));
    if (!buckets) return std::unexpected(buckets.error());
    buckets_ = std::move(*buckets);
    return nodes_.open({.bytes = kDataOffset + spec().value_size, .capacity = spec().max_entries});
  }

  std::int64_t put(std::span<const std::uint64_t> stack, std::uint64_t flags) override {
    if ((flags & ~kPutFlags) != 0) return -EINVAL;
    const std::size_t skip = flags & BPF_F_SKIP_FIELD_MASK;
    const std::size_t most = spec().value_size / frame_bytes(spec());
    // What is skipped takes no room, but no stack is longer than kMaxFrames.
    stack = stack.first(std::min({stack.size(), most + skip, std::size_t{kMaxFrames}}));
    if (stack.size() <= skip) return -EFAULT;
    stack = stack.subspan(skip);
    return store({.hash = jhash(stack.data(), stack.size_bytes(), 0), .addresses = stack}, flags);
  }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EINVAL; }
  int write(const void*, const void*, std::uint64_t) override { return -EINVAL; }

  int erase(const void* key) override {
    const std::uint32_t id = index_of(key);
    if (id > mask_) return -E2BIG;
    NodeId node = 0;
    locks_.of(id).write([&] { node = exchange(id, 0); });
    return node != 0 ? 0 : -ENOENT;
  }

  int next_key(const void* key, void* next) override {
    std::uint64_t id = key == nullptr ? 0 : index_of(key);
    const bool there = key != nullptr && id <= mask_ && bucket(id).load(std::memory_order_acquire) != 0;
    for (id = there ? id + 1 : 0; id <= mask_; ++id) {
      if (bucket(id).load(std::memory_order_acquire) == 0) continue;
      const auto found = static_cast<std::uint32_t>(id);
      std::memcpy(next, &found, sizeof found);
      return 0;
    }
    return -ENOENT;
  }

  int read(const void* key, void* value, std::uint64_t flags) override {
    const std::uint32_t id = index_of(key);
    if (flags != 0) return -EINVAL;
    if (id > mask_) return -ENOENT;
    bool found = false;
    locks_.of(id).read([&] { found = copy(id, value); });
    return found ? 0 : -ENOENT;
  }

  int take(const void* key, void* value, std::uint64_t flags) override {
    const std::uint32_t id = index_of(key);
    if (flags != 0) return -EINVAL;
    if (id > mask_) return -ENOENT;
    bool found = false;
    locks_.of(id).write([&] {
      found = copy(id, value);
      exchange(id, 0);
    });
    return found ? 0 : -ENOENT;
  }

  [[nodiscard]] exec::MapUsage usage() const override {
    return {nodes_.in_use(), buckets_.size() + nodes_.bytes() + sizeof *this};
  }

 private:
  struct Stack {
    std::uint32_t hash = 0;
    std::span<const std::uint64_t> addresses;
  };
  // A node: u32 number of frames | u32 hash | frames, zeros up to value_size.
  static constexpr std::size_t kDataOffset = kWordBytes;
  static Word head(const Stack& stack) { return Word{stack.hash} << 32 | stack.addresses.size(); }

  [[nodiscard]] std::atomic_ref<NodeId> bucket(std::uint64_t id) const {
    return std::atomic_ref(reinterpret_cast<NodeId*>(buckets_.base())[id]);
  }
  [[nodiscard]] std::byte* data(NodeId node) const { return nodes_.at(node) + kDataOffset; }
  [[nodiscard]] std::size_t words() const { return spec().value_size / kWordBytes; }

  // Word `i` of a stack as it is stored: an address a word, or a struct bpf_stack_build_id, whose status stands in its
  // first word and whose address in its last.
  [[nodiscard]] Word stored(const Stack& stack, std::size_t i) const {
    const std::size_t each = frame_bytes(spec()) / kWordBytes;
    if (i / each >= stack.addresses.size()) return 0;
    if (i % each == each - 1) return stack.addresses[i / each];
    return i % each == 0 ? BPF_STACK_BUILD_ID_IP : 0;
  }

  std::int64_t store(const Stack& stack, std::uint64_t flags) {
    const std::uint32_t id = stack.hash & mask_;
    if (known(id, stack, flags)) return id;
    std::int64_t result = 0;
    locks_.of(id).write([&] { result = store_locked(id, stack, flags); });
    return result;
  }

  // Whether the bucket holds the stack already, which is the usual case and writes nothing.
  [[nodiscard]] bool known(std::uint32_t id, const Stack& stack, std::uint64_t flags) {
    bool equal = false;
    locks_.of(id).read([&] { equal = holds(bucket(id).load(std::memory_order_acquire), stack, flags); });
    return equal;
  }

  [[nodiscard]] bool holds(NodeId node, const Stack& stack, std::uint64_t flags) const {
    if (node == 0) return false;
    const Word there = load_word(nodes_.at(node));
    if ((flags & BPF_F_FAST_STACK_CMP) != 0) return there >> 32 == stack.hash;
    if (there != head(stack)) return false;
    for (std::size_t i = 0; i < words(); ++i) {
      if (load_word(data(node) + i * kWordBytes) != stored(stack, i)) return false;
    }
    return true;
  }

  std::int64_t store_locked(std::uint32_t id, const Stack& stack, std::uint64_t flags) {
    const NodeId old = bucket(id).load(std::memory_order_relaxed);
    if (holds(old, stack, flags)) return id;
    if (old != 0 && (flags & BPF_F_REUSE_STACKID) == 0) return -EEXIST;
    const NodeId node = nodes_.take(id);  // before the old one is free, as in Linux
    if (node == 0) return -ENOMEM;
    store_word(nodes_.at(node), head(stack));
    for (std::size_t i = 0; i < words(); ++i) store_word(data(node) + i * kWordBytes, stored(stack, i));
    exchange(id, node);
    return id;
  }

  bool copy(std::uint32_t id, void* value) const {
    const NodeId node = bucket(id).load(std::memory_order_acquire);
    if (node != 0) copy_out(value, data(node), spec().value_size);
    return node != 0;
  }

  // Under the bucket's lock: what stood there is free.
  NodeId exchange(std::uint32_t id, NodeId node) {
    const NodeId old = bucket(id).exchange(node, std::memory_order_acq_rel);
    if (old != 0) nodes_.give(old, id);
    return old;
  }

  std::uint32_t mask_;
  Region buckets_;
  NodePool nodes_;
  ValueLocks locks_;
};

}  // namespace

MapResult make_stack_trace(exec::MapSpec spec, unsigned) {
  const std::uint32_t frame = frame_bytes(spec);
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .at_least("value_size", spec.value_size, 8)
                           .require(spec.value_size % frame == 0, "value_size must be a multiple of a frame's size")
                           .at_most("value_size", spec.value_size, std::uint64_t{frame} * kMaxFrames, EINVAL)
                           .at_most("max_entries", spec.max_entries, kMaxBuckets, E2BIG)
                           .allocates(std::uint64_t{spec.max_entries} * (sizeof(std::uint64_t) + spec.value_size))
                           .done();
  return open_map<StackTraceMap>(checked, std::move(spec));
}

}  // namespace forager::maps

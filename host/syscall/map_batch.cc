// SPDX-License-Identifier: Apache-2.0
//
// The commands on many elements: BPF_MAP_{LOOKUP,LOOKUP_AND_DELETE,UPDATE,DELETE}_BATCH.
//
// Two ways to look up, as in the kernel. Most types go key by key, and the cursor between calls is the last key
// (kernel/bpf/syscall.c generic_map_lookup_batch). Hash maps go bucket by bucket, and the cursor is a bucket's number
// of 4 bytes: a bucket is taken whole or not at all (kernel/bpf/hashtab.c __htab_map_lookup_and_delete_batch), hence
// the -ENOSPC for room that is less than one bucket. Both end with -ENOENT and a count that is good.
#include <algorithm>
#include <cerrno>
#include <vector>

#include "maps/buckets.h"
#include "syscall/element_kinds.h"
#include "syscall/small_buffer.h"

namespace forager::syscall {
namespace {

using runtime::MapObject;

class Batch {
 public:
  Batch(const Call& call, MapObject& map)
      : call_(call),
        map_(map),
        row_(element_row(map.spec().type)),
        key_(map.spec().key_size),
        value_(user_value_size(call, map, row_)) {}

  [[nodiscard]] bool supports(BatchSet command) const { return (row_.batch & command) != 0; }
  [[nodiscard]] bool in_buckets() const { return row_.in_buckets; }

  // Each of these begins with the checks that all have in common, and a count of 0.
  long update() {
    return each([this](std::uint32_t n) { return update_one(n); });
  }
  long erase() {
    return each([this](std::uint32_t n) { return erase_one(n); });
  }
  long look_up();
  long look_up_buckets(bool take);

 private:
  // 1: go on. 0 or an error: the command's answer.
  long begin() const {
    if (const long error = check_element_flags(map_, asked().elem_flags, BPF_F_LOCK); error != 0) return error;
    if (asked().count == 0) return 0;
    const long error = put_count(0);
    return error != 0 ? error : 1;
  }

  template <class One>
  long each(One one) {
    if (const long answer = begin(); answer <= 0) return answer;
    long error = 0;
    std::uint32_t done = 0;
    while (done < asked().count && (error = one(done)) == 0) ++done;
    return put_count(done) != 0 ? -EFAULT : error;
  }

  long update_one(std::uint32_t n) {
    if (copy_from_user(key_.data(), key_address(n), key_.size()) != 0) return -EFAULT;
    if (copy_from_user(value_.data(), value_address(n), value_.size()) != 0) return -EFAULT;
    return row_.kind->write(call_, map_, key_.data(), value_.data(), asked().elem_flags);
  }
  long erase_one(std::uint32_t n) {
    if (copy_from_user(key_.data(), key_address(n), key_.size()) != 0) return -EFAULT;
    return row_.kind->erase(call_, map_, key_.data());
  }

  // Element n of the answer: the key, and its value into value_. -ENOENT if it is gone by now.
  long put_element(std::uint32_t n, const std::byte* key, bool take) {
    if (const long error = take ? take_value(key) : read_value(key); error != 0) return error;
    if (copy_to_user(key_address(n), key, key_.size()) != 0) return -EFAULT;
    return copy_to_user(value_address(n), value_.data(), value_.size());
  }
  long read_value(const std::byte* key) { return row_.kind->read(call_, map_, key, value_.data(), asked().elem_flags); }
  long take_value(const std::byte* key) {
    if (row_.kind->take != nullptr) return row_.kind->take(call_, map_, key, value_.data(), asked().elem_flags);
    const long error = read_value(key);
    return error != 0 ? error : row_.kind->erase(call_, map_, key);
  }
  // All elements of a bucket, from element `total` on; moves it past them.
  long put_bucket(const std::vector<std::byte>& keys, std::uint32_t& total, bool take) {
    for (std::size_t at = 0; at < keys.size(); at += key_.size()) {
      const long error = put_element(total, &keys[at], take);
      if (error != 0 && error != -ENOENT) return error;
      if (error == 0) ++total;
    }
    return 0;
  }

  [[nodiscard]] const decltype(bpf_attr::batch)& asked() const { return call_.attr.batch; }
  [[nodiscard]] UserAddress key_address(std::uint64_t n) const { return asked().keys + n * key_.size(); }
  [[nodiscard]] UserAddress value_address(std::uint64_t n) const { return asked().values + n * value_.size(); }
  [[nodiscard]] long put_count(std::uint32_t count) const {
    return put_user(call_.user_attr + offsetof(bpf_attr, batch.count), count);
  }

  const Call& call_;
  MapObject& map_;
  const ElementRow& row_;
  SmallBuffer key_, value_;
};

long Batch::look_up() {
  if (const long answer = begin(); answer <= 0) return answer;
  SmallBuffer last(key_.size());
  bool started = asked().in_batch != 0;
  if (started && copy_from_user(last.data(), asked().in_batch, last.size()) != 0) return -EFAULT;
  long error = 0;
  std::uint32_t done = 0;
  while (done < asked().count) {
    error = map_.map->next_key(started ? last.data() : nullptr, key_.data());
    if (error != 0) break;
    error = put_element(done, key_.data(), false);
    if (error != 0 && error != -ENOENT) return error;
    if (error == 0) ++done;
    std::copy_n(key_.data(), key_.size(), last.data());
    started = true;
  }
  if (put_count(done) != 0) return -EFAULT;
  if (done != 0 && copy_to_user(asked().out_batch, last.data(), last.size()) != 0) return -EFAULT;
  return error;
}

long Batch::look_up_buckets(bool take) {
  auto* buckets = dynamic_cast<maps::Buckets*>(map_.map.get());
  if (buckets == nullptr) return -kNotSupported;
  if (asked().flags != 0) return -EINVAL;
  if (const long answer = begin(); answer <= 0) return answer;
  std::uint32_t bucket = 0, total = 0;
  if (asked().in_batch != 0 && copy_from_user(&bucket, asked().in_batch, sizeof bucket) != 0) return -EFAULT;
  if (bucket >= buckets->buckets()) return -ENOENT;
  std::vector<std::byte> keys;
  bool fits = true;
  for (; bucket < buckets->buckets(); ++bucket) {
    fits = buckets->keys_in(bucket, keys) <= asked().count - total;
    if (!fits) break;
    if (const long error = put_bucket(keys, total, take); error != 0) return error;
  }
  if (copy_to_user(asked().out_batch, &bucket, sizeof bucket) != 0 || put_count(total) != 0) return -EFAULT;
  if (fits) return -ENOENT;
  return total == 0 ? -ENOSPC : 0;
}

struct Rights {
  bool read, write;
};

template <class Run>
long batch(const Call& call, BatchSet command, Rights rights, Run run) {
  const auto map = call.fds().pin_map(static_cast<int>(call.attr.batch.map_fd));
  if (!map) return map.error();
  if (rights.read && !map->may_read()) return -EPERM;
  if (!rights.write) {
    Batch work(call, **map);
    return work.supports(command) ? run(work) : -kNotSupported;
  }
  const runtime::MapWriting writing(**map);
  if (!map->may_write() || !writing.allowed()) return -EPERM;
  Batch work(call, **map);
  return work.supports(command) ? run(work) : -kNotSupported;
}

}  // namespace

long map_lookup_batch(const Call& call) {
  return batch(call, kLookupBatch, {true, false},
               [](Batch& work) { return work.in_buckets() ? work.look_up_buckets(false) : work.look_up(); });
}

long map_lookup_and_delete_batch(const Call& call) {
  return batch(call, kTakeBatch, {true, true}, [](Batch& work) { return work.look_up_buckets(true); });
}

long map_update_batch(const Call& call) {
  return batch(call, kUpdateBatch, {false, true}, [](Batch& work) { return work.update(); });
}

long map_delete_batch(const Call& call) {
  return batch(call, kDeleteBatch, {false, true}, [](Batch& work) { return work.erase(); });
}

}  // namespace forager::syscall

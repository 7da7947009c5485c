// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "maps/snapshot.h"
#include "syscall/element_kinds.h"

namespace forager::syscall {
namespace {

using isa::MapType;
using runtime::MapObject;

// Where a value names an object: 4 bytes, an id going out and a descriptor coming in.
struct Reference {
  Referent what;
  std::uint32_t offset;
  bool optional;  // 0 there names nothing
};

struct Row {
  MapType type;
  std::optional<Reference> reference;
  bool starts_zero = false;  // elements of zeros are there without being written
};
// Types whose elements are kept. Of others there are snapshots, or nothing.
constexpr std::uint32_t kBehindNumber = 4;  // in struct bpf_devmap_val and bpf_cpumap_val
constexpr Row kRows[] = {
    {MapType::hash, {}},
    {MapType::percpu_hash, {}},
    {MapType::lru_hash, {}},
    {MapType::lru_percpu_hash, {}},
    {MapType::lpm_trie, {}},
    {MapType::array, {}, true},
    {MapType::percpu_array, {}, true},
    {MapType::prog_array, Reference{Referent::program, 0, false}},
    {MapType::array_of_maps, Reference{Referent::map, 0, false}},
    {MapType::hash_of_maps, Reference{Referent::map, 0, false}},
    {MapType::devmap, Reference{Referent::program, kBehindNumber, true}},
    {MapType::devmap_hash, Reference{Referent::program, kBehindNumber, true}},
    {MapType::cpumap, Reference{Referent::program, kBehindNumber, true}},
};

const Row* row_of(const MapObject& map) {
  const auto* row = std::ranges::find(kRows, map.spec().type, &Row::type);
  return row != std::end(kRows) ? row : nullptr;
}

class Elements {
 public:
  Elements(Process& process, MapObject& map, const Row& row)
      : map_(map),
        row_(row),
        call_{process, attr_, 0, 0},
        kind_(*element_row(map.spec().type).kind),
        key_size_(map.spec().key_size),
        value_size_(user_value_size(call_, map, element_row(map.spec().type))) {}

  Contents read(const NumberById& number_of) {
    Contents contents;
    std::vector<std::byte> before, key(key_size_), value(value_size_);
    for (; next(before.empty() ? nullptr : before.data(), key.data()); before = key) {
      if (kind_.read(call_, map_, key.data(), value.data(), 0) != 0 || !keep(value, number_of)) continue;
      contents.keys.insert(contents.keys.end(), key.begin(), key.end());
      contents.values.insert(contents.values.end(), value.begin(), value.end());
    }
    return contents;
  }

  Result<std::size_t> write(const Contents& contents, const ObjectByNumber& object_of) {
    const std::size_t count = contents.keys.size() / key_size_;
    if (contents.keys.size() != count * key_size_ || contents.values.size() != count * value_size_) {
      return fail(ErrorKind::input, EINVAL,
                  "has contents of another size than the map (per-CPU values: of another number of CPUs)");
    }
    std::size_t left_out = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const long error = put(contents.keys.data() + i * key_size_, contents.values.data() + i * value_size_, object_of);
      if (error == -ENOENT) ++left_out;
      if (error != 0 && error != -ENOENT) {
        return fail(
            ErrorKind::input, static_cast<int>(-error),
            fmt::format("has an element that the map does not take: {}", std::strerror(static_cast<int>(-error))));
      }
    }
    return left_out;
  }

 private:
  // Walks pass a key that stays once, whatever goes on beside them, where the type can do so.
  bool next(const void* key, void* to) {
    exec::Elements* elements = map_.map->abilities().elements;
    return (elements != nullptr ? elements->next(key, to) : map_.map->next_key(key, to)) == 0;
  }

  [[nodiscard]] bool names(std::span<const std::byte> value) const {
    return row_.reference && value.size() >= row_.reference->offset + sizeof(std::uint32_t);
  }

  // False for what need not, or cannot, be kept.
  bool keep(std::span<std::byte> value, const NumberById& number_of) const {
    if (row_.starts_zero) return std::ranges::any_of(value, [](std::byte byte) { return byte != std::byte{0}; });
    if (!names(value)) return true;
    std::uint32_t number = 0;
    std::byte* const at = value.data() + row_.reference->offset;
    std::memcpy(&number, at, sizeof number);
    if (number == 0 && row_.reference->optional) return true;
    number = number_of(row_.reference->what, number);
    std::memcpy(at, &number, sizeof number);
    return number != 0;
  }

  // -ENOENT: it names what is not there.
  long put(const std::byte* key, const std::byte* bytes, const ObjectByNumber& object_of) {
    std::vector<std::byte> value(bytes, bytes + value_size_);
    if (!names(value)) return kind_.write(call_, map_, key, value.data(), BPF_ANY);
    std::uint32_t number = 0;
    std::byte* const at = value.data() + row_.reference->offset;
    std::memcpy(&number, at, sizeof number);
    if (number == 0 && row_.reference->optional) return kind_.write(call_, map_, key, value.data(), BPF_ANY);
    const Object* object = object_of(number);
    if (object == nullptr) return -ENOENT;
    const LentFd lent(call_.fds(), *object);
    const std::uint32_t fd = lent.number();
    std::memcpy(at, &fd, sizeof fd);
    const long error = kind_.write(call_, map_, key, value.data(), BPF_ANY);
    return error == -ENOENT ? -EINVAL : error;
  }

  MapObject& map_;
  const Row& row_;
  const bpf_attr attr_{};
  const Call call_;
  const ElementKind& kind_;
  std::size_t key_size_, value_size_;
};

}  // namespace

bool names_others(const MapObject& map) {
  const Row* row = row_of(map);
  return row != nullptr && row->reference;
}

Contents read_contents(Process& process, MapObject& map, const NumberById& number_of) {
  if (const Row* row = row_of(map); row != nullptr) return Elements(process, map, *row).read(number_of);
  const maps::Snapshot* snapshot = maps::snapshot_of(*map.map);
  return {.keys = {}, .values = snapshot != nullptr ? snapshot->copy_out() : std::vector<std::byte>()};
}

Result<std::size_t> write_contents(Process& process, MapObject& map, const Contents& contents,
                                   const ObjectByNumber& object_of) {
  if (const Row* row = row_of(map); row != nullptr) return Elements(process, map, *row).write(contents, object_of);
  maps::Snapshot* snapshot = maps::snapshot_of(*map.map);
  const bool good = snapshot != nullptr ? snapshot->copy_in(contents.values) : contents.values.empty();
  if (good && contents.keys.empty()) return 0;
  return fail(ErrorKind::input, EINVAL, "has contents that such a map cannot have had");
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "syscall/value_fields.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "syscall/btf.h"

namespace forager::syscall {
namespace {

using isa::MapType;
using program::ValueField;
using Kind = ValueField::Kind;

constexpr int kMaxDepth = 32;           // Linux's MAX_RESOLVE_DEPTH
constexpr std::size_t kMaxFields = 11;  // Linux's BTF_FIELDS_MAX
constexpr std::uint32_t kOneWay = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
constexpr unsigned kMaxParts = 1 << 20;  // looked at: nesting may multiply them without end

// ---- which fields there are, and which maps may have them --------------------------------------------------------

constexpr isa::MapTypeSet types_of(std::initializer_list<MapType> types) {
  isa::MapTypeSet set = 0;
  for (const MapType type : types) set |= isa::MapTypeSet{1} << static_cast<unsigned>(type);
  return set;
}

constexpr isa::MapTypeSet kStorage =
    types_of({MapType::sk_storage, MapType::inode_storage, MapType::task_storage, MapType::cgrp_storage});
constexpr isa::MapTypeSet kLocks = types_of({MapType::hash, MapType::array, MapType::cgroup_storage}) | kStorage;
constexpr isa::MapTypeSet kTimers = types_of({MapType::hash, MapType::lru_hash, MapType::array});
constexpr isa::MapTypeSet kPointers = types_of({MapType::hash, MapType::percpu_hash, MapType::lru_hash,
                                                MapType::lru_percpu_hash, MapType::array, MapType::percpu_array}) |
                                      kStorage;

struct Row {
  std::string_view name;  // of the structure
  Kind kind;
  std::uint32_t size, align;
  isa::MapTypeSet maps;
  bool once;      // in a structure
  bool repeated;  // may be an array
};
constexpr Row kRows[] = {
    {"bpf_spin_lock", Kind::spin_lock, 4, 4, kLocks, true, false},
    {"bpf_res_spin_lock", Kind::opaque, 4, 4, kLocks, true, false},
    {"bpf_timer", Kind::timer, 16, 8, kTimers, true, false},
    {"bpf_wq", Kind::opaque, 16, 8, kTimers, true, false},
    {"bpf_task_work", Kind::opaque, 8, 8, kTimers, true, false},
    {"bpf_list_head", Kind::opaque, 16, 8, kTimers, false, true},
    {"bpf_rb_root", Kind::opaque, 16, 8, kTimers, false, true},
    {"bpf_refcount", Kind::opaque, 4, 4, kPointers, true, false},
};
// Pointers are told by their tag.
constexpr Row kPointer = {"", Kind::opaque, 8, 8, kPointers, false, true};
constexpr Row kUserPointer = {"", Kind::opaque, 8, 8, types_of({MapType::task_storage}), false, true};

struct Found {
  const Row* row;
  std::uint64_t offset;
};

// ---- the search --------------------------------------------------------------------------------------------------

// A part of a value: a member of a structure or a variable.
struct Part {
  std::uint32_t type;
  std::uint64_t offset;
  std::optional<std::uint64_t> size;  // that a variable must have
};

class Search {
 public:
  explicit Search(const ::btf& types) : types_(types) {}

  // False for what Linux refuses.
  bool value(std::uint32_t id) {
    const btf_type* type = skip_modifiers(types_, id);
    if (btf_is_struct(type)) return structure(type, 0, 0);
    return btf_is_datasec(type) && section(type);
  }
  [[nodiscard]] const std::vector<Found>& found() const { return found_; }

 private:
  using Seen = std::vector<const Row*>;

  [[nodiscard]] const btf_type* at(std::uint32_t id) const { return btf__type_by_id(&types_, id); }
  [[nodiscard]] std::string_view name_of(const btf_type* type) const {
    return btf__str_by_offset(&types_, type->name_off);
  }

  bool structure(const btf_type* type, std::uint64_t base, int depth) {
    if (depth >= kMaxDepth) return false;
    Seen seen;
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      const std::uint32_t bits = btf_member_bit_offset(type, i);
      if (bits % 8 != 0) return false;
      if (!part({btf_members(type)[i].type, base + bits / 8, {}}, seen, depth)) return false;
    }
    return true;
  }

  bool section(const btf_type* type) {
    Seen seen;
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      const btf_var_secinfo& variable = btf_var_secinfos(type)[i];
      const btf_type* declared = at(variable.type);
      if (!btf_is_var(declared)) return false;
      if (!part({declared->type, variable.offset, variable.size}, seen, 0)) return false;
    }
    return true;
  }

  bool part(const Part& part, Seen& seen, int depth) {
    if (++parts_ > kMaxParts) return false;
    const btf_type* type = at(part.type);
    std::uint64_t count = 1;
    for (int arrays = 0; btf_is_array(type); ++arrays) {
      if (arrays == kMaxDepth) return false;
      count *= btf_array(type)->nelems;
      if (count > UINT32_MAX) return false;
      type = at(btf_array(type)->type);
    }
    if (count == 0) return true;
    const auto row = row_of(type);
    if (!row) return false;
    if (*row != nullptr) return field(**row, part, count, seen);
    return !btf_is_struct(type) || misfits(part, std::uint64_t{type->size} * count) ||
           nested(type, part.offset, count, depth);
  }

  static bool misfits(const Part& part, std::uint64_t bytes) { return part.size && *part.size != bytes; }

  bool field(const Row& row, const Part& part, std::uint64_t count, Seen& seen) {
    if (row.once) {
      if (std::ranges::find(seen, &row) != seen.end()) return false;
      seen.push_back(&row);
    }
    if (misfits(part, row.size * count) || part.offset % row.align != 0) return true;
    return (count == 1 || row.repeated) && repeat({{&row, part.offset}}, count, row.size);
  }

  // What one structure has, each element of an array of them has.
  bool nested(const btf_type* type, std::uint64_t offset, std::uint64_t count, int depth) {
    const std::size_t before = found_.size();
    if (!structure(type, offset, depth + 1)) return false;
    const std::vector<Found> inner(found_.begin() + static_cast<std::ptrdiff_t>(before), found_.end());
    if (inner.empty()) return true;
    if (count > 1 && !std::ranges::all_of(inner, [](const Found& one) { return one.row->repeated; })) return false;
    found_.resize(before);
    return repeat(inner, count, type->size);
  }

  bool repeat(const std::vector<Found>& fields, std::uint64_t count, std::uint64_t stride) {
    if (count > kMaxFields || found_.size() + fields.size() * count > kMaxFields) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      for (const Found& one : fields) found_.push_back({one.row, one.offset + i * stride});
    }
    return true;
  }

  // The row of a type, null for an ordinary one; nothing for a pointer with a tag that Linux does not know.
  [[nodiscard]] std::optional<const Row*> row_of(const btf_type* type) const {
    if (btf_is_ptr(type)) return pointer_row(at(type->type));
    const auto* row = std::ranges::find(kRows, name_of(type), &Row::name);
    const bool named = row != std::end(kRows) && btf_is_struct(type) && type->size == row->size;
    return named ? row : nullptr;
  }

  [[nodiscard]] std::optional<const Row*> pointer_row(const btf_type* pointee) const {
    if (!btf_is_type_tag(pointee) || btf_kflag(pointee)) return nullptr;
    if (btf_is_type_tag(at(pointee->type))) return std::nullopt;
    const std::string_view tag = name_of(pointee);
    if (tag == "uptr") return &kUserPointer;
    if (tag == "kptr" || tag == "kptr_untrusted" || tag == "percpu_kptr") return &kPointer;
    return std::nullopt;
  }

  const ::btf& types_;
  std::vector<Found> found_;
  unsigned parts_ = 0;
};

// False if some overlap, reach out of the value, or stand twice where one is wanted (nested structures may bring one
// each).
bool consistent(const std::vector<Found>& found, std::uint32_t value_size) {
  std::uint64_t next = 0;
  for (const Found& one : found) {
    if (one.offset < next || one.offset + one.row->size > value_size) return false;
    next = one.offset + one.row->size;
    const auto same = [&](const Found& other) { return other.row == one.row; };
    if (one.row->once && std::ranges::count_if(found, same) > 1) return false;
  }
  return true;
}

}  // namespace

Errno<std::vector<ValueField>> value_fields(const ::btf& types, std::uint32_t type, const program::MapSpec& map) {
  Search search(types);
  std::vector<ValueField> fields;
  if (!search.value(type) || !consistent(search.found(), map.value_size)) return fields;
  for (const Found& one : search.found()) {
    if ((map.flags & kOneWay) != 0) return std::unexpected(-EACCES);
    if ((one.row->maps >> static_cast<unsigned>(map.type) & 1) == 0) return std::unexpected(-EOPNOTSUPP);
    fields.push_back({one.row->kind, static_cast<std::uint32_t>(one.offset), one.row->size});
  }
  return fields;
}

bool possible_fields(const program::MapSpec& map) {
  if (isa::find_map(static_cast<std::uint32_t>(map.type)) == nullptr) return false;
  std::vector<Found> found;
  for (const ValueField& field : map.fields) {
    const auto fits = [&](const Row& row) {
      return row.kind == field.kind && row.size == field.size && field.offset % row.align == 0 &&
             (row.maps >> static_cast<unsigned>(map.type) & 1) != 0 &&
             !(row.once && std::ranges::find(found, &row, &Found::row) != found.end());
    };
    const Row* row = std::ranges::find_if(kRows, fits);
    if (row == std::end(kRows) && !fits(kPointer)) return false;
    found.push_back({row != std::end(kRows) ? row : &kPointer, field.offset});
  }
  return found.empty() || ((map.flags & kOneWay) == 0 && consistent(found, map.value_size));
}

}  // namespace forager::syscall

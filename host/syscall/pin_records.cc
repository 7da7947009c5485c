// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_records.h"

#include <bit>
#include <concepts>
#include <cstring>
#include <type_traits>

namespace forager::syscall {
namespace {

static_assert(std::endian::native == std::endian::little, "records would have to be swapped");

// ---- the records, field by field ---------------------------------------------------------------------------------

template <class Archive>
void describe(Archive& with, BtfRecord& record) {
  with(record.types);
}
template <class Archive>
void describe(Archive& with, program::ValueField& field) {
  auto kind = static_cast<std::uint8_t>(field.kind);
  with(kind, field.offset, field.size);
  field.kind = static_cast<program::ValueField::Kind>(kind);
}
template <class Archive>
void describe(Archive& with, ShapeRecord& record) {
  with(record.type, record.key_size, record.value_size, record.max_entries, record.flags, record.extra, record.name,
       record.fields);
}
template <class Archive>
void describe(Archive& with, Contents& record) {
  with(record.keys, record.values);
}
template <class Archive>
void describe(Archive& with, MapRecord& record) {
  with(record.shape, record.btf, record.key_type, record.value_type, record.has_example, record.example, record.frozen,
       record.contents);
}
template <class Archive>
void describe(Archive& with, ProgramRecord& record) {
  with(record.name, record.type, record.attach_type, record.gpl_compatible, record.xdp_has_frags, record.slots,
       record.btf, record.functions, record.lines, record.maps, record.also_bound);
}
template <class Archive>
void describe(Archive& with, PinRecord& record) {
  with(record.path, record.object);
}

// ---- both ways ---------------------------------------------------------------------------------------------------

template <class T>
concept Number = std::unsigned_integral<T>;
template <class T>
concept List = requires(T list) { list.resize(1); };
// Elements whose bytes in memory are their bytes in a file.
template <class T>
inline constexpr bool kPlain =
    Number<T> || std::same_as<T, std::byte> || std::same_as<T, char> || std::same_as<T, isa::Slot>;

class Packer {
 public:
  template <class... Parts>
  void operator()(Parts&... parts) {
    (part(parts), ...);
  }
  std::vector<std::byte> bytes;

 private:
  void raw(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + size);
  }
  template <class T>
  void part(T& value) {
    if constexpr (Number<T>) {
      raw(&value, sizeof value);
    } else if constexpr (List<T>) {
      const std::uint64_t count = value.size();
      raw(&count, sizeof count);
      if constexpr (kPlain<typename T::value_type>) {
        raw(value.data(), count * sizeof(typename T::value_type));
      } else {
        for (auto& element : value) part(element);
      }
    } else {
      describe(*this, value);
    }
  }
};

class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class... Parts>
  void operator()(Parts&... parts) {
    (part(parts), ...);
  }
  [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

 private:
  void raw(void* data, std::size_t size) {
    good_ = good_ && size <= rest_.size();
    if (!good_ || size == 0) return;
    std::memcpy(data, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  void part(bool& value) {
    std::uint8_t byte = 0;
    raw(&byte, sizeof byte);
    good_ = good_ && byte <= 1;
    value = byte == 1;
  }
  template <class T>
  void part(T& value) {
    if constexpr (Number<T>) {
      raw(&value, sizeof value);
    } else if constexpr (List<T>) {
      list(value);
    } else {
      describe(*this, value);
    }
  }
  template <class T>
  void list(T& value) {
    using Element = typename T::value_type;
    constexpr std::size_t kLeast = kPlain<Element> ? sizeof(Element) : 1;
    std::uint64_t count = 0;
    raw(&count, sizeof count);
    good_ = good_ && count <= rest_.size() / kLeast;
    if (!good_) return;
    value.resize(count);
    if constexpr (kPlain<Element>) {
      raw(value.data(), count * sizeof(Element));
    } else {
      for (auto& element : value) part(element);
    }
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

}  // namespace

template <class Record>
std::vector<std::byte> pack(const Record& record) {
  Packer packer;
  describe(packer, const_cast<Record&>(record));  // which a Packer only reads
  return std::move(packer.bytes);
}

template <class Record>
std::optional<Record> unpack(std::span<const std::byte> bytes) {
  Record record;
  Unpacker unpacker(bytes);
  describe(unpacker, record);
  if (!unpacker.done()) return std::nullopt;
  return record;
}

#define FORAGER_RECORD(Record)                         \
  template std::vector<std::byte> pack(const Record&); \
  template std::optional<Record> unpack(std::span<const std::byte>)
FORAGER_RECORD(BtfRecord);
FORAGER_RECORD(MapRecord);
FORAGER_RECORD(ProgramRecord);
FORAGER_RECORD(PinRecord);
#undef FORAGER_RECORD

}  // namespace forager::syscall

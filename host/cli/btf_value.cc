// SPDX-License-Identifier: Apache-2.0
#include "cli/btf_value.h"

#include <arpa/inet.h>
#include <bpf/btf.h>
#include <fmt/format.h>

#include <array>
#include <bit>
#include <cctype>
#include <cstring>
#include <optional>
#include <string_view>

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
using Bytes = std::span<const std::byte>;

constexpr int kMaxDepth = 32;

// An integer of 1-8 bytes at the start of `bytes`, zero-extended.
std::optional<std::uint64_t> load(Bytes bytes, std::size_t size) {
  if (size == 0 || size > 8 || size > bytes.size()) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), size);  // every host of ours is little-endian
  return value;
}

std::int64_t sign_extend(std::uint64_t value, unsigned bits) {
  const unsigned shift = 64 - bits;
  return static_cast<std::int64_t>(value << shift) >> shift;
}

std::string name_of(const btf* types, const btf_type* type) {
  const char* name = btf__name_by_offset(types, type->name_off);
  return name != nullptr ? name : "";
}

// A type stripped of typedefs and qualifiers, and the outermost typedef's name on the way.
struct Resolved {
  const btf_type* type = nullptr;
  std::uint32_t id = 0;
  std::string alias;
};

Resolved resolve(const btf* types, std::uint32_t id) {
  Resolved result;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const btf_type* type = btf__type_by_id(types, id);
    if (type == nullptr) return {};
    if (!btf_is_mod(type) && !btf_is_typedef(type)) {
      result.type = type;
      result.id = id;
      return result;
    }
    if (btf_is_typedef(type) && result.alias.empty()) result.alias = name_of(types, type);
    id = type->type;
  }
  return {};
}

// The walk over a value, shared by both forms.
class Walker {
 public:
  Walker(const btf* types, bool for_people) : types_(types), for_people_(for_people) {}

  Json value(std::uint32_t id, Bytes bytes, int depth = 0) const {
    const Resolved resolved = resolve(types_, id);
    if (resolved.type == nullptr || depth > kMaxDepth) return nullptr;
    switch (btf_kind(resolved.type)) {
      case BTF_KIND_INT:
        return integer(resolved, bytes);
      case BTF_KIND_ENUM:
        return enumeration(resolved.type, bytes);
      case BTF_KIND_ENUM64:
        return enumeration64(resolved.type, bytes);
      case BTF_KIND_PTR:
        return pointer(bytes);
      case BTF_KIND_FLOAT:
        return floating(resolved.type, bytes);
      case BTF_KIND_ARRAY:
        return array(resolved.type, bytes, depth);
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        return composite(resolved.type, bytes, depth);
      case BTF_KIND_DATASEC:
        return section(resolved.type, bytes, depth);
      case BTF_KIND_VAR:
        return value(resolved.type->type, bytes, depth + 1);
      default:
        return nullptr;
    }
  }

 private:
  Json integer(const Resolved& resolved, Bytes bytes) const {
    if (resolved.type->size == 16) return wide(bytes);
    const auto raw = load(bytes, resolved.type->size);
    if (!raw) return nullptr;
    if (for_people_ && resolved.alias == "__be32") return dotted(bytes);
    if (for_people_ && resolved.alias == "__be16") return __builtin_bswap16(static_cast<std::uint16_t>(*raw));
    return plain_integer(resolved.type, *raw, resolved.type->size * 8);
  }

  static Json plain_integer(const btf_type* type, std::uint64_t raw, unsigned bits) {
    const auto encoding = btf_int_encoding(type);
    if (encoding & BTF_INT_BOOL) return raw != 0;
    if (encoding & BTF_INT_SIGNED) return sign_extend(raw, bits);
    return raw;
  }

  static Json wide(Bytes bytes) {
    if (bytes.size() < 16) return nullptr;
    return fmt::format("0x{:016x}{:016x}", *load(bytes.subspan(8), 8), *load(bytes, 8));
  }

  static std::string dotted(Bytes bytes) {
    const auto octet = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
    return fmt::format("{}.{}.{}.{}", octet(0), octet(1), octet(2), octet(3));
  }

  Json enumeration(const btf_type* type, Bytes bytes) const {
    const auto raw = load(bytes, type->size);
    if (!raw) return nullptr;
    const auto* values = btf_enum(type);
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      if (static_cast<std::uint32_t>(values[i].val) != static_cast<std::uint32_t>(*raw)) continue;
      return std::string(btf__name_by_offset(types_, values[i].name_off));
    }
    return *raw;
  }

  Json enumeration64(const btf_type* type, Bytes bytes) const {
    const auto raw = load(bytes, type->size);
    if (!raw) return nullptr;
    const auto* values = btf_enum64(type);
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      if (btf_enum64_value(&values[i]) == *raw) return std::string(btf__name_by_offset(types_, values[i].name_off));
    }
    return *raw;
  }

  static Json pointer(Bytes bytes) {
    const auto raw = load(bytes, 8);
    return raw ? Json(fmt::format("{:#x}", *raw)) : Json(nullptr);
  }

  static Json floating(const btf_type* type, Bytes bytes) {
    const auto raw = load(bytes, type->size);
    if (!raw) return nullptr;
    if (type->size == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(*raw));
    if (type->size == 8) return std::bit_cast<double>(*raw);
    return nullptr;
  }

  Json array(const btf_type* type, Bytes bytes, int depth) const {
    const auto* info = btf_array(type);
    const std::int64_t size = btf__resolve_size(types_, info->type);
    if (size <= 0) return Json::array();
    const auto element = static_cast<std::size_t>(size);
    const std::size_t count = std::min<std::size_t>(info->nelems, bytes.size() / element);
    if (element == 1 && count > 0) {
      if (auto text = as_string(info->type, bytes.first(count))) return *text;
      if (for_people_) {
        if (auto address = as_address(info->type, bytes.first(count))) return *address;
      }
    }
    // Four network-order words are an IPv6 address, as in struct in6_addr.
    if (for_people_ && count == 4 && resolve(types_, info->type).alias == "__be32") return ipv6(bytes);
    Json out = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back(value(info->type, bytes.subspan(i * element, element), depth + 1));
    }
    return out;
  }

  // char arrays that hold printable text, ended by a NUL or by the array, read as strings.
  std::optional<std::string> as_string(std::uint32_t element, Bytes bytes) const {
    const Resolved resolved = resolve(types_, element);
    if (resolved.type == nullptr || !btf_is_int(resolved.type)) return std::nullopt;
    if (!(btf_int_encoding(resolved.type) & BTF_INT_CHAR) && name_of(types_, resolved.type) != "char")
      return std::nullopt;
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    text.resize(std::min(text.size(), text.find('\0')));
    for (const char c : text) {
      if (std::isprint(static_cast<unsigned char>(c)) == 0) return std::nullopt;
    }
    return text;
  }

  // Unsigned byte arrays of the lengths of addresses are what they look like in a packet program: IPv4, MAC, IPv6.
  std::optional<std::string> as_address(std::uint32_t element, Bytes bytes) const {
    const Resolved resolved = resolve(types_, element);
    if (resolved.type == nullptr || !btf_is_int(resolved.type)) return std::nullopt;
    if (bytes.size() == 4) return dotted(bytes);
    if (bytes.size() == 6) return mac(bytes);
    if (bytes.size() == 16) return ipv6(bytes);
    return std::nullopt;
  }

  static std::string ipv6(Bytes bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
    return text.data();
  }

  static std::string mac(Bytes bytes) {
    std::string out;
    for (const std::byte b : bytes)
      out += fmt::format("{}{:02x}", out.empty() ? "" : ":", std::to_integer<unsigned>(b));
    return out;
  }

  Json composite(const btf_type* type, Bytes bytes, int depth) const {
    Json out = Json::object();
    const auto* members = btf_members(type);
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      const std::uint32_t bit = btf_member_bit_offset(type, i);
      const std::uint32_t bits = btf_member_bitfield_size(type, i);
      const std::string name = btf__name_by_offset(types_, members[i].name_off);
      Json field = bits != 0 ? bitfield(members[i].type, bytes, bit, bits)
                             : value(members[i].type, tail(bytes, bit / 8), depth + 1);
      // Members of an unnamed struct or union belong to the enclosing one, as in C.
      if (name.empty() && field.is_object()) {
        out.update(field);
      } else {
        out[name] = unwrapped(std::move(field));
      }
    }
    return out;
  }

  // For people, a wrapper of one member reads as the member.
  [[nodiscard]] Json unwrapped(Json field) const {
    const bool wrapper = for_people_ && field.is_object() && field.size() == 1;
    return wrapper ? Json(field.begin().value()) : field;
  }

  Json bitfield(std::uint32_t id, Bytes bytes, std::uint32_t bit, std::uint32_t bits) const {
    const Resolved resolved = resolve(types_, id);
    const Bytes from = tail(bytes, bit / 8);
    if (resolved.type == nullptr || bits > 64) return nullptr;
    const auto raw = load(from, std::min<std::size_t>(from.size(), 8));
    if (!raw) return nullptr;
    const std::uint64_t mask = bits == 64 ? ~0ULL : (1ULL << bits) - 1;
    const std::uint64_t field = *raw >> bit % 8 & mask;
    return btf_is_int(resolved.type) ? plain_integer(resolved.type, field, bits) : Json(field);
  }

  Json section(const btf_type* type, Bytes bytes, int depth) const {
    Json out = Json::object();
    const btf_var_secinfo* variables = btf_var_secinfos(type);
    for (unsigned i = 0; i < btf_vlen(type); ++i) {
      const btf_type* variable = btf__type_by_id(types_, variables[i].type);
      if (variable == nullptr) continue;
      out[name_of(types_, variable)] = value(variable->type, tail(bytes, variables[i].offset), depth + 1);
    }
    return out;
  }

  static Bytes tail(Bytes bytes, std::size_t offset) { return bytes.subspan(std::min(offset, bytes.size())); }

  const btf* types_;
  bool for_people_;
};

// {a: 1, b: [2, 3]}: JSON without the quotes that make it hard to read.
std::string render(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  std::string out;
  const auto join = [&](std::string item) { out += (out.empty() ? "" : ", ") + std::move(item); };
  if (json.is_object()) {
    for (const auto& [key, field] : json.items()) join(key + ": " + render(field));
    return "{" + out + "}";
  }
  if (json.is_array()) {
    for (const auto& element : json) join(render(element));
    return "[" + out + "]";
  }
  return json.dump();
}

}  // namespace

nlohmann::ordered_json btf_to_json(const btf* types, std::uint32_t type, Bytes bytes) {
  return Walker(types, false).value(type, bytes);
}

std::string btf_to_text(const btf* types, std::uint32_t type, Bytes bytes) {
  return render(Walker(types, true).value(type, bytes));
}

nlohmann::ordered_json raw_bytes(Bytes bytes) {
  Json out = Json::array();
  for (const std::byte b : bytes) out.push_back(fmt::format("0x{:02x}", std::to_integer<unsigned>(b)));
  return out;
}

std::string hex_text(Bytes bytes) {
  std::string out;
  for (const std::byte b : bytes) out += fmt::format("{}{:02x}", out.empty() ? "" : " ", std::to_integer<unsigned>(b));
  return out;
}

bool parse_hex(const std::string& text, std::string& bytes) {
  std::string_view rest = text;
  while (!rest.empty()) {
    if (std::isspace(static_cast<unsigned char>(rest.front())) != 0) {
      rest.remove_prefix(1);
      continue;
    }
    std::string_view token = rest.substr(0, rest.find_first_of(" \t\n"));
    rest.remove_prefix(token.size());
    if (token.starts_with("0x")) token.remove_prefix(2);
    if (token.empty() || token.size() > 2) return false;
    unsigned value = 0;
    for (const char c : token) {
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return false;
      value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    bytes.push_back(static_cast<char>(value));
  }
  return true;
}

}  // namespace forager::cli

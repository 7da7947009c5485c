// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <array>
#include <map>
#include <stdexcept>
#include <string>

namespace forager::isa::model {
namespace {

__extension__ using Exact = __int128;

constexpr Exact power_of_two(unsigned n) { return Exact{1} << n; }

// The operand as a number from 0, and as a two's-complement one.
Exact as_natural(std::uint64_t value, unsigned width) { return Exact{value} % power_of_two(width); }
Exact as_integer(std::uint64_t value, unsigned width) {
  const Exact n = as_natural(value, width);
  return n >= power_of_two(width - 1) ? n - power_of_two(width) : n;
}

// The exact result, wrapped to the register: the representative between 0 and 2^width - 1.
std::uint64_t wrap(Exact value, unsigned width) {
  Exact rest = value % power_of_two(width);
  if (rest < 0) rest += power_of_two(width);
  return static_cast<std::uint64_t>(rest);
}

Exact magnitude(Exact value) { return value < 0 ? -value : value; }

// Long division of naturals, one bit at a time.
struct Division {
  Exact quotient = 0, remainder = 0;
};
Division divide(Exact dividend, Exact divisor) {
  Division result;
  for (int bit = 63; bit >= 0; --bit) {
    result.remainder = result.remainder * 2 + (dividend / power_of_two(static_cast<unsigned>(bit))) % 2;
    result.quotient *= 2;
    if (result.remainder >= divisor) {
      result.remainder -= divisor;
      result.quotient += 1;
    }
  }
  return result;
}

// Truncating division: magnitudes divide, signs follow.
Division divide_signed(Exact dividend, Exact divisor) {
  Division result = divide(magnitude(dividend), magnitude(divisor));
  if ((dividend < 0) != (divisor < 0)) result.quotient = -result.quotient;
  if (dividend < 0) result.remainder = -result.remainder;
  return result;
}

using BitRule = bool (*)(bool, bool);
Exact bitwise(Exact a, Exact b, BitRule rule) {
  Exact out = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const bool in_a = a / power_of_two(bit) % 2 != 0, in_b = b / power_of_two(bit) % 2 != 0;
    if (rule(in_a, in_b)) out += power_of_two(bit);
  }
  return out;
}

// Floor division by a power of two, which is what an arithmetic shift is.
Exact floor_shift(Exact value, unsigned amount) {
  const Exact divisor = power_of_two(amount);
  const Exact truncated = value / divisor;
  return truncated * divisor > value ? truncated - 1 : truncated;
}

struct Operands {
  unsigned width;
  std::uint64_t raw_dst, raw_src;
  [[nodiscard]] Exact dst() const { return as_natural(raw_dst, width); }
  [[nodiscard]] Exact src() const { return as_natural(raw_src, width); }
  [[nodiscard]] Exact signed_dst() const { return as_integer(raw_dst, width); }
  [[nodiscard]] Exact signed_src() const { return as_integer(raw_src, width); }
  [[nodiscard]] unsigned amount() const { return static_cast<unsigned>(src() % width); }
};

// RFC 9669 section 4.1, row by row.
const std::map<std::string_view, Exact (*)(const Operands&)> kAlu = {
    {"add", [](const Operands& o) { return o.dst() + o.src(); }},
    {"sub", [](const Operands& o) { return o.dst() - o.src(); }},
    {"mul",
     [](const Operands& o) {
       // In halves, so that no product leaves 128 bits.
       const Exact low = o.src() % power_of_two(32), high = o.src() / power_of_two(32);
       return o.dst() * low + (o.dst() * high) % power_of_two(32) * power_of_two(32);
     }},
    {"div", [](const Operands& o) { return o.src() == 0 ? Exact{0} : divide(o.dst(), o.src()).quotient; }},
    {"mod", [](const Operands& o) { return o.src() == 0 ? o.dst() : divide(o.dst(), o.src()).remainder; }},
    {"sdiv",
     [](const Operands& o) {
       return o.src() == 0 ? Exact{0} : divide_signed(o.signed_dst(), o.signed_src()).quotient;
     }},
    {"smod",
     [](const Operands& o) {
       return o.src() == 0 ? o.dst() : divide_signed(o.signed_dst(), o.signed_src()).remainder;
     }},
    {"bit_or", [](const Operands& o) { return bitwise(o.dst(), o.src(), [](bool a, bool b) { return a || b; }); }},
    {"bit_and", [](const Operands& o) { return bitwise(o.dst(), o.src(), [](bool a, bool b) { return a && b; }); }},
    {"bit_xor", [](const Operands& o) { return bitwise(o.dst(), o.src(), [](bool a, bool b) { return a != b; }); }},
    {"lsh",
     [](const Operands& o) {
       const unsigned keep = o.width - o.amount();  // the bits that stay in the register
       return o.dst() % power_of_two(keep) * power_of_two(o.amount());
     }},
    {"rsh", [](const Operands& o) { return o.dst() / power_of_two(o.amount()); }},
    {"arsh", [](const Operands& o) { return floor_shift(o.signed_dst(), o.amount()); }},
    {"mov", [](const Operands& o) { return o.src(); }},
};

// Section 4.3.
const std::map<std::string_view, bool (*)(const Operands&)> kJumps = {
    {"jeq", [](const Operands& o) { return o.dst() == o.src(); }},
    {"jne", [](const Operands& o) { return o.dst() != o.src(); }},
    {"jgt", [](const Operands& o) { return o.dst() > o.src(); }},
    {"jge", [](const Operands& o) { return o.dst() >= o.src(); }},
    {"jlt", [](const Operands& o) { return o.dst() < o.src(); }},
    {"jle", [](const Operands& o) { return o.dst() <= o.src(); }},
    {"jsgt", [](const Operands& o) { return o.signed_dst() > o.signed_src(); }},
    {"jsge", [](const Operands& o) { return o.signed_dst() >= o.signed_src(); }},
    {"jslt", [](const Operands& o) { return o.signed_dst() < o.signed_src(); }},
    {"jsle", [](const Operands& o) { return o.signed_dst() <= o.signed_src(); }},
    {"jset", [](const Operands& o) { return bitwise(o.dst(), o.src(), [](bool a, bool b) { return a && b; }) != 0; }},
};

// Section 5.3: which operation of section 4.1 the memory undergoes.
const std::map<std::string_view, std::string_view> kAtomics = {
    {"atomic_add", "add"},           {"atomic_or", "bit_or"},         {"atomic_and", "bit_and"},
    {"atomic_xor", "bit_xor"},       {"atomic_fetch_add", "add"},     {"atomic_fetch_or", "bit_or"},
    {"atomic_fetch_and", "bit_and"}, {"atomic_fetch_xor", "bit_xor"}, {"atomic_xchg", "mov"},
};

template <class Map>
const auto& at(const Map& map, std::string_view name) {
  const auto it = map.find(name);
  if (it == map.end()) throw std::out_of_range("the model has no row " + std::string(name));
  return it->second;
}

std::uint64_t reverse_bytes(std::uint64_t value, unsigned bytes) {
  std::array<std::uint8_t, 8> memory{};
  for (unsigned i = 0; i < bytes; ++i) memory[i] = static_cast<std::uint8_t>(value >> (8 * i));
  std::uint64_t out = 0;
  for (unsigned i = 0; i < bytes; ++i) out = out * 256 + memory[i];
  return out;
}

// The number at the end of a name: "be32" -> 32.
unsigned trailing_bits(std::string_view name) {
  const auto digits = name.find_first_of("0123456789");
  return static_cast<unsigned>(std::stoul(std::string(name.substr(digits))));
}

}  // namespace

std::uint64_t sign_extend(std::uint64_t value, unsigned bits) { return wrap(as_integer(value, bits), 64); }

std::uint64_t alu(std::string_view name, unsigned width, std::uint64_t dst, std::uint64_t src) {
  return wrap(at(kAlu, name)({width, dst, src}), width);
}

std::uint64_t unary(std::string_view name, std::uint64_t dst) {
  const unsigned bits = trailing_bits(name);
  if (name.starts_with("neg")) return wrap(-as_integer(dst, bits), bits);
  if (name.starts_with("le")) return static_cast<std::uint64_t>(as_natural(dst, bits));  // we are little-endian
  if (name.starts_with("be") || name.starts_with("swap")) return reverse_bytes(dst, bits / 8);
  throw std::out_of_range("the model has no row " + std::string(name));
}

std::uint64_t move_sign_extended(std::string_view name, std::uint64_t src) {
  const unsigned width = name.ends_with('w') ? 32 : 64;  // movsx8w: into the 32-bit register
  return wrap(as_integer(src, trailing_bits(name)), width);
}

bool jump(std::string_view name, unsigned width, std::uint64_t dst, std::uint64_t src) {
  return at(kJumps, name)({width, dst, src});
}

std::uint64_t atomic(std::string_view name, unsigned width, std::uint64_t memory, std::uint64_t src, std::uint64_t r0) {
  if (name != "atomic_cmpxchg") return alu(at(kAtomics, name), width, memory, src);
  const bool equal = as_natural(memory, width) == as_natural(r0, width);
  return static_cast<std::uint64_t>(as_natural(equal ? src : memory, width));
}

}  // namespace forager::isa::model

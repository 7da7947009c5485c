// SPDX-License-Identifier: Apache-2.0
//
// Random programs of what compilers make of packet programs, as assembly: words of the stack written in parts, the same
// things compared again, headers of varying length, keys made in parts, counting, copies. Most pass the verifier.
//
// Used by: tests/unit/rtl_random_test.cc.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace forager::jit::rtl {

inline constexpr unsigned kWindow = 96;   // bytes of the stack that programs write to
inline constexpr unsigned kCopied = 160;  // ... where the second key may be

// r6 is the context, r7 and r8 are the packet's edges; the others are numbers.
class Writer {
 public:
  explicit Writer(std::uint64_t seed) : random_(seed) {}

  std::string write() {
    constexpr unsigned kChecked[] = {14, 34, 34, 42, 54, 64, 100};
    checked_ = kChecked[below(std::size(kChecked))];
    line("r6 = r1");
    edges();
    for (unsigned at = 8; at <= kWindow; at += 8) {
      if (!zeroed_) continue;
      line("*(u64 *)(r10 -{}) = {}", at, chance(4) ? small() : 0);
    }
    if (!zeroed_) {
      for (unsigned at = 8; at <= kWindow; at += 8) line("*(u64 *)(r10 -{}) = 0", at);
    }
    for (const unsigned reg : kNumbers) fill(reg);
    statements(3 + below(10), 0);
    finish();
    text_ += "out: r0 = 1\nexit\n";
    if (calls_) text_ += function_;
    return text_;
  }

 private:
  static constexpr std::array<unsigned, 7> kNumbers = {0, 1, 2, 3, 4, 5, 9};

  unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }
  bool chance(unsigned of) { return below(of) == 0; }
  // None of those that hold an address.
  unsigned number() {
    for (;;) {
      const unsigned reg = kNumbers[below(kNumbers.size())];
      if ((addresses_ >> reg & 1) == 0) return reg;
    }
  }
  template <class... Of>
  void line(fmt::format_string<Of...> format, Of&&... of) {
    text_ += fmt::format(format, std::forward<Of>(of)...) + "\n";
  }
  unsigned label() { return labels_++; }
  int small() {
    constexpr int kSome[] = {0, 1, 2, 3, 5, 8, 0x45, 0x0f, 0x3c, 0xff, 0x100, 0x0800, 0x8100, 0x7fffffff, -1, -2, -256};
    return kSome[below(std::size(kSome))];
  }

  void edges() { line("r7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\nr2 = r7\nr2 += {}\nif r2 > r8 goto out", checked_); }
  void fill(unsigned reg) {
    switch (below(4)) {
      case 0:
        return line("r{} = {}", reg, small());
      case 1:
        return stack_load(reg);
      default:
        return packet_load(reg);
    }
  }
  // What a call leaves undefined.
  void refill(bool all) {
    for (const unsigned reg : {1U, 2U, 3U, 4U, 5U}) fill(reg);
    if (all) fill(0);
  }

  // ---- accesses ----

  struct Part {
    unsigned bits, at;
  };
  Part part_of(unsigned bytes) {
    const unsigned log = below(4), size = 1U << log;
    if (size > bytes) return {8, below(bytes)};
    return {8 * size, below(bytes / size) * size};
  }
  void stack_load(unsigned reg) {
    const Part part = part_of(span());
    line("r{} = *({} *)(r10 -{})", reg, type(part.bits), kWindow - part.at - base_);
  }
  // Most are near each other.
  unsigned span() {
    base_ = 0;
    if (chance(4)) return kWindow;
    base_ = 8 * below(3);
    return 16;
  }
  std::string type(unsigned bits) {
    if (bits < 64 && chance(8)) return fmt::format("s{}", bits);
    return fmt::format("u{}", bits);
  }
  void stack_store() {
    const Part part = part_of(span());
    if (chance(2)) return line("*(u{} *)(r10 -{}) = {}", part.bits, kWindow - part.at - base_, small());
    line("*(u{} *)(r10 -{}) = r{}", part.bits, kWindow - part.at - base_, number());
  }
  void packet_load(unsigned reg) {
    const unsigned bytes = 8 << below(4);
    const unsigned at = chance(3) && checked_ > 14 ? 14 : below(checked_ - bytes / 8 + 1);
    if (at + bytes / 8 > checked_) return line("r{} = *(u8 *)(r7 +{})", reg, at % checked_);
    line("r{} = *({} *)(r7 +{})", reg, type(bytes), at);
    if (bytes > 8 && chance(4)) line("r{0} = be{1} r{0}", reg, bytes);
  }
  void packet_store() {
    const unsigned bytes = 1 << below(4);
    const unsigned at = below(checked_ - bytes + 1);
    if (chance(3)) return line("*(u{} *)(r7 +{}) = {}", 8 * bytes, at, small());
    line("*(u{} *)(r7 +{}) = r{}", 8 * bytes, at, number());
  }
  // Neighbouring bytes go elsewhere, or change places.
  void copies() {
    const unsigned bytes = 1U << below(3), count = 1 + below(4);
    const bool swaps = chance(2), to_stack = !swaps && chance(3);
    const unsigned room = checked_ - bytes * count + 1;
    if (bytes * count > checked_) return;
    const unsigned from = below(room), to = chance(2) && from >= bytes ? from - bytes : below(room);
    for (unsigned i = 0; i < count; ++i) {
      const unsigned order = chance(8) ? count - 1 - i : i;
      const unsigned one = number(), other = number();
      line("r{} = *(u{} *)(r7 +{})", one, 8 * bytes, from + order * bytes);
      if (swaps && one != other) line("r{} = *(u{} *)(r7 +{})", other, 8 * bytes, to + order * bytes);
      if (to_stack) {
        line("*(u{} *)(r10 -{}) = r{}", 8 * bytes, kWindow - order * bytes, one);
      } else {
        line("*(u{} *)(r7 +{}) = r{}", 8 * bytes, to + order * bytes, one);
      }
      if (swaps && one != other) line("*(u{} *)(r7 +{}) = r{}", 8 * bytes, from + order * bytes, other);
      if (chance(8)) statement(9);
    }
  }

  // ---- arithmetic and branches ----

  void arithmetic() {
    constexpr const char* kOps[] = {"+=", "-=", "*=", "|=", "&=", "^=", "<<=", ">>=", "s>>=", "="};
    const unsigned op = below(std::size(kOps));
    const char side = chance(2) ? 'r' : 'w';
    const bool shifts = op >= 6 && op <= 8;
    if (chance(12)) return line("{0}{1} = -{0}{1}", side, number());
    if (chance(12)) return line("r{0} = be{1} r{0}", number(), 16U << below(3));
    if (shifts && chance(6)) {
      const unsigned by = number();
      line("r{} &= {}", by, side == 'r' ? 63 : 31);
      return line("{0}{1} {2} {0}{3}", side, number(), kOps[op], by);
    }
    if (shifts) return line("{}{} {} {}", side, number(), kOps[op], below(side == 'r' ? 64 : 32));
    if (chance(2)) return line("{0}{1} {2} {0}{3}", side, number(), kOps[op], number());
    line("{}{} {} {}", side, number(), kOps[op], small());
  }
  struct Comparison {
    std::string text;
  };
  // Often one that was there before.
  std::string comparison() {
    constexpr const char* kOps[] = {"==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"};
    if (!compared_.empty() && chance(2)) {
      auto [side, a, b, of_register] = compared_[below(compared_.size())];
      if (chance(4)) side = side == 'r' ? 'w' : 'r';
      const char* op = kOps[below(std::size(kOps))];
      return of_register ? fmt::format("{0}{1} {2} {0}{3}", side, a, op, b) : fmt::format("{}{} {} {}", side, a, op, b);
    }
    const Asked asked = {chance(2) ? 'r' : 'w', number(), chance(3) ? static_cast<int>(number()) : small(), false};
    compared_.push_back(asked);
    compared_.back().of_register = chance(3);
    if (compared_.back().of_register) compared_.back().b = static_cast<int>(number());
    const Asked& it = compared_.back();
    const char* op = kOps[below(std::size(kOps))];
    return it.of_register ? fmt::format("{0}{1} {2} {0}{3}", it.side, it.a, op, it.b)
                          : fmt::format("{}{} {} {}", it.side, it.a, op, it.b);
  }
  void branch(unsigned depth) {
    const unsigned other = label(), end = label();
    line("if {} goto l{}", comparison(), other);
    statements(below(4), depth + 1);
    if (chance(6)) {
      finish();
    } else {
      line("goto l{}", end);
    }
    text_ += fmt::format("l{}: ", other);
    statements(below(4), depth + 1);
    line("r9 ^= {}", small());
    text_ += fmt::format("l{}: ", end);
    line("w{0} = w{0}", number());
  }
  void loop(unsigned depth) {
    const unsigned begin = label();
    const unsigned slot = 136 + 8 * depth;
    line("*(u64 *)(r10 -{}) = 0", slot);
    text_ += fmt::format("l{}: ", begin);
    line("r5 = r5");
    statements(1 + below(3), depth + 1);
    line("r1 = *(u64 *)(r10 -{0})\nr1 += 1\n*(u64 *)(r10 -{0}) = r1\nif r1 < {1} goto l{2}", slot, 2 + below(3), begin);
  }
  // What is behind a header of IPv4.
  void header() {
    if (checked_ < 34) return;
    const unsigned reg = 2 + below(2), bytes = 1 + below(20);
    line("r{} = *(u8 *)(r7 +14)", reg);
    if (chance(2)) {
      line("r{0} &= 15\nr{0} <<= 2", reg);
    } else {
      line("r{0} <<= 2\nr{0} &= 60", reg);
    }
    if (chance(2)) line("if r{} < 20 goto out", reg);
    if (chance(2)) statement(9, true);
    line("r4 = r7\nr4 += 14\nr4 += r{}\nr5 = r4\nr5 += {}", reg, bytes);
    const unsigned skip = label();
    if (chance(2)) {
      line("if r5 > r8 goto out");
    } else {
      line("if r5 > r8 goto l{}", skip);
    }
    addresses_ = 1U << 4 | 1U << 5;
    for (unsigned i = 0, count = 1 + below(4); i < count; ++i) {
      const unsigned size = bytes >= 8 ? 1U << below(4) : 1;
      const unsigned at = below(bytes - size + 1);
      const unsigned number = std::array{0U, 1U, 3U, 9U}[below(4)];
      if (chance(3)) {
        line("*(u{} *)(r4 +{}) = r{}", 8 * size, at, number);
      } else {
        line("r{} = *(u{} *)(r4 +{})", number, 8 * size, at);
      }
      if (chance(3)) packet_store();
    }
    addresses_ = 0;
    text_ += fmt::format("l{}: ", skip);
    line("r4 = {}\nr5 = {}", small(), small());
  }

  // ---- maps ----

  void key(unsigned bytes, unsigned bottom) {
    for (unsigned at = 0; at < bytes;) {
      const unsigned log = below(4);
      unsigned size = 1U << log;
      while (size > bytes - at || (bottom - at) % size != 0) size /= 2;
      if (chance(4)) {
        line("*(u{} *)(r10 -{}) = {}", 8 * size, bottom - at, small() & 3);
      } else {
        const unsigned reg = number();
        if (chance(3)) packet_load(reg);
        if (chance(2)) line("r{} &= 3", reg);
        line("*(u{} *)(r10 -{}) = r{}", 8 * size, bottom - at, reg);
      }
      at += size;
      if (chance(10)) stack_store();
    }
  }
  static constexpr std::array<unsigned, 5> kKeys = {4, 8, 20, 40, 12};
  void hash(unsigned depth) {
    const unsigned which = below(kKeys.size()), bytes = kKeys[which];
    const unsigned bottom = chance(2) ? kWindow : chance(2) ? 48 + 8 * below(4) : 40;
    const unsigned at = bottom < bytes ? kWindow : bottom;
    key(bytes, at);
    const unsigned none = label(), end = label();
    const std::string call = fmt::format("r2 = r10\nr2 += -{}\nr1 = map[h{}] ll\n", at, bytes);
    text_ += call + "call 1\n";
    line("if r0 == 0 goto l{}", none);
    counting();
    if (chance(4)) {
      text_ += call + "call 3\n";
      refill(false);
    }
    line("goto l{}", end);
    text_ += fmt::format("l{}: ", none);
    refill(false);
    if (chance(2) && depth < 3) statement(depth + 1, true);
    const unsigned value = chance(2) ? 24 : 120;
    line("*(u64 *)(r10 -{}) = {}\n*(u64 *)(r10 -{}) = r{}", value, small(), value - 8, 1 + below(5));
    text_ += call;
    line("r3 = r10\nr3 += -{}\nr4 = {}\ncall 2", value, below(3));
    text_ += fmt::format("l{}: ", end);
    refill(chance(2) || true);
  }
  void array() {
    const unsigned reg = number();
    if (chance(2)) line("r{} &= {}", reg, chance(2) ? 7 : 3);
    const unsigned at = chance(2) ? 4 : 8 * (1 + below(4));
    line("*(u32 *)(r10 -{}) = r{}", at, reg);
    line("r2 = r10\nr2 += -{}\nr1 = map[a{}] ll\ncall 1", at, chance(2) ? 16 : 32);
    const unsigned none = label();
    line("if r0 == 0 goto l{}", none);
    counting();
    text_ += fmt::format("l{}: ", none);
    refill(true);
  }
  // Of the value that r0 points to.
  void counting() {
    const bool bytes = chance(2);
    for (unsigned i = 0, count = 1 + below(2); i < count; ++i) {
      const unsigned at = 8 * below(2);
      switch (below(5)) {
        case 0:
          line("r1 = {}\nlock *(u64 *)(r0 +{}) += r1", small(), at);
          break;
        case 1:
          line("r1 = *(u32 *)(r0 +{0})\nr1 += {1}\n*(u32 *)(r0 +{0}) = r1", at + 4 * below(2), small());
          break;
        case 2:
          line("r1 = *(u64 *)(r0 +{0})\nr1 {1} r9\n*(u64 *)(r0 +{0}) = r1", at, chance(2) ? "+=" : "^=");
          break;
        case 3:
          line("r1 = *(u64 *)(r0 +{})\n*(u64 *)(r0 +{}) = r9\nr9 = r1", at, 8 * below(2));
          break;
        default:
          line("r1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1");
          if (bytes) line("r2 = r8\nr2 -= r7");
          if (!bytes) line("r2 = r9");
          line("r1 = *(u64 *)(r0 +8)\nr1 += r2\n*(u64 *)(r0 +8) = r1");
      }
    }
    refill(chance(2));
    if (false) line("r0 = 0");
    line("r0 = {}", small());
  }

  // ---- others ----

  void atomic_on_stack() {
    const unsigned bits = chance(2) ? 32 : 64, at = kWindow - bits / 8 * below(4);
    constexpr const char* kOps[] = {"+=", "|=", "&=", "^="};
    line("lock *(u{} *)(r10 -{}) {} r{}", bits, at, kOps[below(4)], number());
  }
  void moves_edge() {
    switch (below(3)) {
      case 0:
        line("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_head", static_cast<int>(below(24)) - 12);
        break;
      case 1:
        line("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_tail", static_cast<int>(below(60)) - 50);
        break;
      default:
        line("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_meta", -4 * static_cast<int>(below(4)));
    }
    edges();
    refill(false);
  }
  void by_host() {
    line("r1 = r6\nr2 = {}\nr3 = r10\nr3 += -{}\nr4 = {}", below(checked_), kWindow - 8 * below(4), 1 + below(16));
    line("call {}", chance(2) ? 189 : 190);
    edges();
    refill(false);
  }
  // Either of the stack or of a map.
  void either() {
    const unsigned none = label(), on = label(), at = 8 * (1 + below(4));
    line("*(u32 *)(r10 -4) = {}\nr2 = r10\nr2 += -4\nr1 = map[a16] ll\ncall 1\nif r0 == 0 goto out", below(4));
    line("r2 = r0");
    line("if r9 & 1 goto l{}\nr2 = r10\nr2 += -{}", none, at);
    text_ += fmt::format("l{}: ", none);
    for (const unsigned reg : {0U, 1U, 3U, 4U, 5U}) packet_load(reg);
    addresses_ = 1U << 2;
    for (unsigned i = 0; i < 4; ++i) {
      if (chance(2)) stack_store();
      if (chance(3)) line("*(u64 *)(r10 -{}) = r{}", at, 3 + below(3));
      if (chance(2)) line("*(u{} *)(r2 +0) = r{}", 8 << below(4), 3 + below(3));
      if (chance(2)) line("r1 = *(u{} *)(r2 +0)", 8 << below(4));
    }
    addresses_ = 0;
    line("r2 = {}", small());
    line("if r4 > {} goto l{}", small(), on);
    stack_load(3);
    line("r1 = *(u64 *)(r10 -{})", at);
    text_ += fmt::format("l{}: ", on);
    line("r5 = {}", small());
  }
  void call() {
    calls_ = true;
    line("r1 = r10\nr1 += -{}\nr2 = r{}\ncall f", kWindow, 9);
    refill(false);
  }
  static constexpr const char* function_ =
      "f: *(u64 *)(r10 -8) = r2\n*(u32 *)(r10 -8) = 5\nr3 = *(u64 *)(r1 +8)\n*(u64 *)(r1 +16) = r3\n"
      "r4 = *(u64 *)(r10 -8)\nr4 ^= r3\n*(u32 *)(r1 +0) = r4\nr0 = *(u64 *)(r1 +0)\nif r4 > 5 goto g\nr0 += 3\n"
      "g: exit\n";

  void statement(unsigned depth, bool keeps = false) {
    const unsigned what = below(keeps || depth >= 9 ? 12 : 40);
    if (keeps) {
      if (what < 6) return stack_store();
      return packet_store();
    }
    if (what < 7) return stack_store();
    if (what < 9) return stack_load(number());
    if (what < 10) return packet_load(number());
    if (what < 11) return packet_store();
    if (what < 18) return arithmetic();
    if (depth > 3) return;
    if (what < 25) return branch(depth);
    if (what < 27) return copies();
    if (what < 29) return header();
    if (what < 33) return hash(depth);
    if (what < 35) return array();
    if (what < 36) return depth < 2 ? loop(depth) : arithmetic();
    if (what < 37) return atomic_on_stack();
    if (what < 38) return special_ & 1 ? moves_edge() : stack_store();
    if (what < 39) return special_ & 2 ? by_host() : either();
    return special_ & 4 ? call() : stack_load(number());
  }
  void statements(unsigned count, unsigned depth) {
    for (unsigned i = 0; i < count && text_.size() < 12000; ++i) statement(depth);
  }
  void finish() {
    line("r0 ^= r{}", number());
    for (unsigned i = 0, count = below(4); i < count; ++i) {
      line("r0 *= 31\nr0 += r{}", number());
      stack_load(1 + below(5));
    }
    line("exit");
  }

  struct Asked {
    char side;
    unsigned a;
    int b;
    bool of_register;
  };
  std::mt19937_64 random_;
  std::string text_;
  unsigned checked_ = 14, labels_ = 0, base_ = 0, addresses_ = 0;
  bool zeroed_ = below(3) != 0, calls_ = false;
  unsigned special_ = chance(2) ? 0 : below(8);
  std::vector<Asked> compared_;
};

}  // namespace forager::jit::rtl

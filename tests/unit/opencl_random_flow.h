// SPDX-License-Identifier: Apache-2.0
//
// Random control flow as assembly: loops with several ways out of each other, merges wherever, and graphs that no C
// without goto has. A function adds up which blocks it came by; loops end, since each has some fuel.
//
// Used by: tests/unit/opencl_random_test.cc.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace forager::jit::opencl::testing {

// One function: r1 is what it decides by, r0 what it came by.
class FlowWriter {
 public:
  FlowWriter(std::uint64_t seed, std::string name) : random_(seed), name_(std::move(name)) {}

  std::string write() {
    text_ = name_ + ": r6 = r1\nr0 = 1\nr9 = 12\n";
    if (chance(3)) {
      anyhow(3 + below(9));
    } else {
      for (unsigned i = 1 + below(3); i != 0; --i) ends_.push_back(label());
      statements(2 + below(5), 0);
      for (const std::string& end : ends_) place(end);
    }
    return text_ + name_ + "_out: exit\n";
  }

 private:
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  bool chance(unsigned of) { return below(of) == 0; }
  std::string label() { return fmt::format("{}_{}", name_, labels_++); }
  void line(const std::string& text) { text_ += text + "\n"; }

  // A block that leaves a trace, and makes another choice of r6.
  void step() {
    line(fmt::format("r0 *= 31\nr0 += {}", ++steps_));
    if (chance(2)) line(fmt::format("r6 ^= {}", below(1 << 16)));
    line("r2 = r6\nr2 >>= 3\nr3 = r6\nr3 <<= 61\nr6 = r2\nr6 |= r3");
  }
  void place(const std::string& label) {
    line(label + ":");
    step();
  }
  std::string condition() {
    constexpr const char* kSome[] = {"r6 & 1", "r6 & 2", "r6 > r0", "w6 s< 0", "r6 s< 7", "w6 != 5", "w6 < w0"};
    return kSome[below(std::size(kSome))];
  }
  void go_if(const std::string& to) { line(fmt::format("if {} goto {}", condition(), to)); }

  // ---- what compilers make, and more ----

  void statements(unsigned count, unsigned depth) {
    for (unsigned i = 0; i < count; ++i) statement(depth);
  }
  void statement(unsigned depth) {
    step();
    switch (depth < 5 ? below(8) : 6 + below(2)) {
      case 0:
      case 1:
      case 2:
        return choice(depth);
      case 3:
      case 4:
        return loop(depth);
      default:
        return leave();
    }
  }
  void choice(unsigned depth) {
    const std::string other = label(), end = label();
    go_if(other);
    statements(1 + below(3), depth + 1);
    if (chance(2)) {
      line("goto " + end);
      place(other);
      statements(1 + below(2), depth + 1);
    } else {
      line(other + ":");
    }
    place(end);
  }
  void loop(unsigned depth) {
    const std::string head = label(), next = label(), out = label();
    line(head + ":");
    line(fmt::format("r9 -= 1\nif r9 s< 0 goto {}", chance(3) ? name_ + "_out" : out));
    heads_.push_back(chance(2) ? head : next);
    outs_.push_back(out);
    statements(1 + below(4), depth + 1);
    heads_.pop_back();
    outs_.pop_back();
    line(next + ":");
    if (chance(2)) step();
    line(chance(2) ? "goto " + head : fmt::format("if {} goto {}", condition(), head));
    place(out);
  }
  // For the next round or the end of any loop around, or for an end that all share.
  void leave() {
    const unsigned where = below(4);
    if (where == 0 || heads_.empty()) return go_if(ends_[below(static_cast<unsigned>(ends_.size()))]);
    const auto which = below(static_cast<unsigned>(heads_.size()));
    go_if(where == 1 ? heads_[which] : outs_[which]);
  }

  // ---- blocks that lead anywhere ----

  void anyhow(unsigned blocks) {
    std::vector<std::string> all;
    for (unsigned i = 0; i < blocks; ++i) all.push_back(label());
    for (unsigned i = 0; i < blocks; ++i) {
      place(all[i]);
      lead(all, i);
      if (chance(3)) lead(all, i);
      if (chance(4)) line("goto " + (i + 1 < blocks ? all[i + 1 + below(blocks - i - 1)] : name_ + "_out"));
    }
  }
  void lead(const std::vector<std::string>& all, unsigned from) {
    const unsigned to = below(static_cast<unsigned>(all.size()));
    if (to > from) return go_if(all[to]);
    const std::string past = label();
    go_if(past);
    line(fmt::format("r9 -= 1\nif r9 s> 0 goto {}", all[to]));
    line(past + ":");
  }

  std::mt19937_64 random_;
  std::string name_, text_;
  unsigned labels_ = 0, steps_ = 0;
  std::vector<std::string> ends_, heads_, outs_;
};

// A program that calls so many of them with the memory's first word; r0 is what all came by.
inline std::string random_flow(std::uint64_t seed, unsigned functions) {
  std::string text = "r6 = *(u64 *)(r1 + 0)\nr7 = 0\n", rest;
  for (unsigned i = 0; i < functions; ++i) {
    text += fmt::format("r1 = r6\ncall f{}\nr7 *= 17\nr7 += r0\n", i);
    rest += FlowWriter(seed * 1000 + i, fmt::format("f{}", i)).write();
  }
  return text + "r0 = r7\nexit\n" + rest;
}

}  // namespace forager::jit::opencl::testing

// SPDX-License-Identifier: Apache-2.0
//
// Text: lines of C, each with the depth that it stands at and the instruction that it is for.
//
// Tested by: tests/unit/opencl_compile_test.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "program/program.h"

namespace forager::jit::opencl {

struct Line {
  std::string text;
  std::uint32_t instruction = program::kNone;
  std::uint32_t leads_to = program::kNone;  // it only says that block so-and-so is next: needed if anybody asks
  unsigned depth = 0;
};

class Text {
 public:
  void add(std::string text, std::uint32_t instruction = program::kNone) {
    lines_.push_back({.text = std::move(text), .instruction = instruction, .depth = depth_});
  }
  void lead_to(std::uint32_t block, std::string text) {
    lines_.push_back({.text = std::move(text), .leads_to = block, .depth = depth_});
  }
  void open(std::string text, std::uint32_t instruction = program::kNone) {
    add(std::move(text), instruction);
    ++depth_;
  }
  void close(std::string text = "}") {
    --depth_;
    add(std::move(text));
  }
  void otherwise() {
    close("} else {");
    ++depth_;
  }
  // Of a text that was made by itself.
  void append(Text other) {
    for (Line& line : other.lines_) {
      line.depth += depth_;
      lines_.push_back(std::move(line));
    }
  }
  [[nodiscard]] std::vector<Line>& lines() { return lines_; }
  [[nodiscard]] const std::vector<Line>& lines() const { return lines_; }
  [[nodiscard]] unsigned deepest() const {
    unsigned deepest = 0;
    for (const Line& line : lines_) deepest = std::max(deepest, line.depth);
    return deepest;
  }

 private:
  std::vector<Line> lines_;
  unsigned depth_ = 0;
};

}  // namespace forager::jit::opencl

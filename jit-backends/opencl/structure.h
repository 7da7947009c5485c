// SPDX-License-Identifier: Apache-2.0
//
// From blocks to C without goto: ifs and loops where the graph is reducible, one switch in a loop where it is not, or
// where what comes out would be nested deeper than compilers take.
//
// A block that several lead to (a merge) stands behind the block that dominates it, in order; one that is left for from
// a loop stands behind the loop. Who leads there says so in the variable `to` and falls out of whatever is around it;
// the merge asks `to` if something else may come by. Nothing is asked, and nothing said, where there is one way only.
// All code is in tail position, so that nothing but loops has to be left by a jump (after Ramsey: Beyond Relooper,
// 2022, whose labelled blocks C has not).
//
// Tested by: tests/unit/opencl_compile_test.cc (shapes, by running them).
#pragma once

#include <functional>

#include "jit-backends/opencl/graph.h"
#include "jit-backends/opencl/text.h"

namespace forager::jit::opencl {

// What a function's language is, for those who only know its shape.
struct BlockWriter {
  std::function<void(Text& text, std::uint32_t block)> body;                 // all but the branch at its end
  std::function<std::string(std::uint32_t block, bool inverted)> condition;  // of that
  std::function<bool(std::uint32_t block)> is_short_exit;                    // it is rather repeated than jumped to
};

struct Structured {
  Text text;
  bool uses_to = false;   // the variable `to` is needed
  bool switched = false;  // it is a switch in a loop
};

[[nodiscard]] Structured structured(const Graph& graph, const BlockWriter& writer);

}  // namespace forager::jit::opencl

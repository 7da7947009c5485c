// SPDX-License-Identifier: Apache-2.0
//
// A clock for a model of one block: clk_i, and rst_i where it has one.
#pragma once

namespace forager::rtl {

// Inputs are set and outputs read between ticks; what is combinational has settled after settle().
template <class Model>
class Clocked : public Model {
 public:
  void settle() { this->eval(); }
  void tick() {
    this->clk_i = 0;
    this->eval();
    this->clk_i = 1;
    this->eval();
  }
  void reset() {
    this->rst_i = 1;
    tick();
    tick();
    this->rst_i = 0;
    settle();
  }
};

}  // namespace forager::rtl

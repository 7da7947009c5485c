// SPDX-License-Identifier: Apache-2.0
//
// Model: the device as Verilator made it, in one of the configurations of hw/configs.yaml.
//
// Tested by: tests/rtl/causes_test.cc, tests/unit/rtl_device_test.cc.
#pragma once

#include <verilated.h>

#include <memory>
#include <string_view>

class VerilatedFstC;

namespace forager::sim {

// References to a model's ports.
struct Ports {
#define FORAGER_PORT(type, name) type& name;
#include "sim/board/ports.def"
};

class Model {
 public:
  virtual ~Model() = default;
  virtual void eval() = 0;
  virtual void final() = 0;
  virtual void trace(VerilatedFstC& to) = 0;
  [[nodiscard]] virtual Ports ports() = 0;
};

// Of one of configurations() (board.h); an empty name is `default`.
[[nodiscard]] std::unique_ptr<Model> make_model(std::string_view configuration, VerilatedContext& context);

}  // namespace forager::sim

// SPDX-License-Identifier: Apache-2.0
#include "sim/board/model.h"

#include <verilated_fst_c.h>

#include "sim/board/board.h"

// FORAGER_MODEL(NAME, CLASS) for each configuration, after their headers (hw/CMakeLists.txt).
#include "models.h"

namespace forager::sim {
namespace {

template <class Verilated>
class Typed final : public Model {
 public:
  explicit Typed(VerilatedContext& context) : model_(&context) {}
  void eval() override { model_.eval(); }
  void final() override { model_.final(); }
  void trace(VerilatedFstC& to) override {
    constexpr int kLevels = 99;
    model_.trace(&to, kLevels);
  }
  Ports ports() override {
    return {
#define FORAGER_PORT(type, name) model_.name,
#include "sim/board/ports.def"
    };
  }

 private:
  Verilated model_;
};

template <class Verilated>
std::unique_ptr<Model> make(VerilatedContext& context) {
  return std::make_unique<Typed<Verilated>>(context);
}

struct Row {
  std::string_view name;
  std::unique_ptr<Model> (*make)(VerilatedContext& context);
};
constexpr Row kRows[] = {
#define FORAGER_MODEL(name, verilated) {#name, make<verilated>},
    FORAGER_MODELS};

}  // namespace

std::unique_ptr<Model> make_model(std::string_view configuration, VerilatedContext& context) {
  for (const Row& row : kRows) {
    if (row.name == (configuration.empty() ? "default" : configuration)) return row.make(context);
  }
  return nullptr;
}

const std::vector<std::string>& configurations() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const Row& row : kRows) names.emplace_back(row.name);
    return names;
  }();
  return kNames;
}

}  // namespace forager::sim

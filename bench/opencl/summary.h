// SPDX-License-Identifier: Apache-2.0
//
// What stands behind the rows: the best batch of each program and size, medians, who loses, and the goals that
// figures are held against.
//
// Tested by: nothing asserts figures.
#pragma once

#include <string>
#include <vector>

#include "bench/opencl/duel.h"
#include "bench/opencl/loading.h"

namespace forager::bench {

struct DuelRow {
  std::string program;
  std::size_t bytes = 0, batch = 0;
  double instructions = 0;  // that the program executes for a packet
  bool uses_maps = false;
  DuelFigure figure;
  [[nodiscard]] double ratio() const { return figure.x86_64.median / figure.opencl.median; }
};

class Summary {
 public:
  void add(DuelRow row) { rows_.push_back(std::move(row)); }
  void add_load(std::string program, LoadFigure figure) { loads_.emplace_back(std::move(program), std::move(figure)); }
  // A row has no figure, for this reason.
  void add_failure(const std::string& row, const std::string& why) { failures_.push_back(row + ": " + why); }
  [[nodiscard]] bool has_rows() const { return !rows_.empty(); }
  [[nodiscard]] bool has_failures() const { return !failures_.empty(); }
  // Nothing where no row was asked for.
  void print() const;

 private:
  // Of each program and size, in the order of rows.
  [[nodiscard]] std::vector<DuelRow> best() const;
  void print_duels() const;
  void print_staging() const;
  void print_loads() const;

  std::vector<DuelRow> rows_;
  std::vector<std::string> failures_;
  std::vector<std::pair<std::string, LoadFigure>> loads_;
};

}  // namespace forager::bench

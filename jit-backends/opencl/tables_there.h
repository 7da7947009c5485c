// SPDX-License-Identifier: Apache-2.0
//
// TablesThere: the tables of a program's maps, and what else outlives a launch: what programs print, the routing
// tables, where each lane has its maps, the lanes' random numbers, and the word that stops them.
//
// Tested by: tests/unit/opencl_maps_test.cc, opencl_trace_test.cc,
// opencl_fib_test.cc.
#pragma once

#include <memory>
#include <vector>

#include "jit-backends/opencl/driver.h"
#include "jit-backends/opencl/group.h"
#include "jit-backends/opencl/launch.h"
#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {

class TablesThere {
 public:
  explicit TablesThere(bool shared) : shared_(shared), tables_(shared), state_(shared) {}

  // For a kernel's maps, on the options' CPU and in their environment. `table_lanes`: as it was built.
  [[nodiscard]] Result<> open(const Driver& driver, const Group& group, const exec::DeviceOptions& options,
                              unsigned lanes, unsigned table_lanes);
  // Tables agree with the host, and lanes may run. Fills in what launches are told of it.
  [[nodiscard]] Result<> put(const Driver& driver, BatchRecord& batch);
  // The host gets what changed.
  [[nodiscard]] Result<> take(const Driver& driver);
  // Whether there is room for what the host has now; else it has to be opened anew.
  [[nodiscard]] bool fits() const;
  // The state of the first lane's random numbers; lanes start from different ones.
  [[nodiscard]] Result<> seed(const Driver& driver, std::uint64_t state);
  [[nodiscard]] Result<std::uint64_t> seed_now(const Driver& driver);

  [[nodiscard]] Lasting lasting() const { return {&state_, &tables_}; }

 private:
  [[nodiscard]] std::size_t random_at() const { return 64; }
  [[nodiscard]] std::size_t places_at() const { return random_at() + in_lines(lanes_ * sizeof(std::uint64_t)); }
  [[nodiscard]] std::size_t descriptors_at() const;
  [[nodiscard]] std::size_t state_bytes() const;
  [[nodiscard]] MapDescriptor describe(std::size_t map) const;
  [[nodiscard]] Result<> let_go(const Driver& driver);
  [[nodiscard]] Result<> put_places(const Driver& driver);
  void add(std::unique_ptr<Mirror> mirror, bool changes);
  // Of one that is no map's, as kernels are told: 0 if it is not there.
  [[nodiscard]] std::uint64_t address_of(std::size_t mirror) const;
  template <class Do>
  [[nodiscard]] Result<> with_tables(const Driver& driver, Do action);

  bool shared_;
  Buffer tables_, state_;
  // Maps by number; behind them, what programs print, and the routing tables.
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  std::vector<Table> kinds_;     // of maps
  std::vector<std::size_t> at_;  // of each one's table in all
  std::vector<bool> changes_;    // whether the device changes it
  std::size_t bytes_ = 0;
  unsigned lanes_ = 1, table_lanes_ = 1;
};

}  // namespace forager::jit::opencl

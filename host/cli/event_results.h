// SPDX-License-Identifier: Apache-2.0
//
// What a program made of each event: its return value, the context fields it changed, and what it asked of the machine
// (exec/event.h EventEffects).
//
// Tested by: tests/unit/cli_event_file_test.cc, tests/cli/events_test.sh.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "cli/run_result.h"
#include "exec/frame.h"
#include "isa/tables.h"

namespace forager::cli {

// Remembers what the frames held before they ran.
class EventResults {
 public:
  static constexpr std::size_t kKept = 10000;

  EventResults(const isa::ProgTypeRow& type, std::span<const exec::Frame> frames);

  // The frame whose id is the next one in order.
  void add(const exec::Frame& frame, RunResult& result);

 private:
  struct Before {
    std::array<std::byte, exec::kMaxContextBytes> context;
    std::int32_t retval;
  };
  [[nodiscard]] nlohmann::ordered_json describe(const exec::Frame& frame, const Before& before) const;

  const isa::ProgTypeRow& type_;
  std::vector<Before> before_;
};

// "3: deny (0), reply 5, signal 9".
[[nodiscard]] std::string event_text(const nlohmann::ordered_json& event);

}  // namespace forager::cli

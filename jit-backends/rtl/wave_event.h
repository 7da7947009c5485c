// SPDX-License-Identifier: Apache-2.0
//
// WaveEvent: what a waveform is to be around (exec::Simulation::wave_on):
//   verdict:NAME   a packet leaves with this verdict: XDP's names, or a number
//   packet:N       packet N of the run, from 0: from its coming to its leaving
//   pc:N           BPF instruction N is executed
//
// Tested by: tests/unit/rtl_wave_test.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "forager/result.h"

namespace forager::jit::rtl {

struct WaveEvent {
  enum class Kind : std::uint8_t { none, verdict, packet, pc };
  Kind kind = Kind::none;
  std::uint64_t number = 0;

  [[nodiscard]] bool is(Kind of, std::uint64_t value) const { return kind == of && number == value; }
};

// An empty text is none. Errors: input, for another spelling.
[[nodiscard]] Result<WaveEvent> parse_wave_event(std::string_view text);

}  // namespace forager::jit::rtl

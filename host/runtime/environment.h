// SPDX-License-Identifier: Apache-2.0
//
// The environment programs run in on this machine: its clocks, its possible CPUs, its processes, the
// helpers of host/helpers.
//
// Tested by: tests/unit/runtime_environment_test.cc.
#pragma once

#include <optional>
#include <string_view>

#include "exec/environment.h"

namespace forager::runtime {

// How many CPUs a list like "0-3,8" names, as in /sys/devices/system/cpu/possible; nothing if it is no such list.
[[nodiscard]] std::optional<unsigned> count_cpus(std::string_view list);

// The machine's possible CPUs, as libbpf counts them: the slots of a per-CPU value. 1 if the machine does not say.
[[nodiscard]] unsigned possible_cpus();

// The thread that asks: what programs run on behalf of where no event says.
[[nodiscard]] exec::Task current_task();

[[nodiscard]] exec::Environment host_environment();

}  // namespace forager::runtime

// SPDX-License-Identifier: Apache-2.0
//
// BPF_ENABLE_STATS: runs of programs are counted as long as its descriptor, or a copy of it, is open.
//
// Tested by: tests/unit/syscall_probe_test.cc.
#pragma once

#include "runtime/objects.h"

namespace forager::syscall {

class StatisticsUser {
 public:
  explicit StatisticsUser(runtime::RunStatistics& statistics) : statistics_(statistics) { ++statistics_.users; }
  ~StatisticsUser() { --statistics_.users; }
  StatisticsUser(const StatisticsUser&) = delete;
  StatisticsUser& operator=(const StatisticsUser&) = delete;

 private:
  runtime::RunStatistics& statistics_;
};

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "runtime/environment.h"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

namespace forager::runtime {
namespace {

TEST(Environment, CpuListsAreCounted) {
  EXPECT_EQ(count_cpus("0\n"), 1U);
  EXPECT_EQ(count_cpus("0-3"), 4U);
  EXPECT_EQ(count_cpus("0-3,8,10-11\n"), 7U);
}

TEST(Environment, WhatIsNoListCountsAsNothing) {
  for (const auto* bad : {"", "\n", "x", "0-", "-1", "3-0", "0,", "0-1x", "0-99999999999", "4294967295"}) {
    EXPECT_EQ(count_cpus(bad), std::nullopt) << bad;
  }
}

TEST(Environment, CpusAreThoseThatLibbpfCounts) {
  EXPECT_EQ(static_cast<int>(possible_cpus()), libbpf_num_possible_cpus());
}

TEST(Environment, ClocksRunForward) {
  const exec::Environment environment = host_environment();
  const std::uint64_t before = environment.monotonic_ns(), boot = environment.boot_ns();
  EXPECT_GE(environment.monotonic_ns(), before);
  EXPECT_GE(environment.boot_ns(), boot);
  EXPECT_GT(environment.tai_ns(), 0U);
  EXPECT_GE(boot, before) << "boot time counts suspension too";
  EXPECT_FALSE(environment.helpers.empty());
}

}  // namespace
}  // namespace forager::runtime

// SPDX-License-Identifier: Apache-2.0
//
// Every key/value map type against the machine's own kernel: the same random operations through bpf(2), the same
// answers, errno values, iteration (as a set where the order is the hash's) and final contents.
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

class MapsKernel : public ::testing::TestWithParam<Scenario> {};

TEST_P(MapsKernel, AnswersLikeTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  const Scenario& scenario = GetParam();
  const unsigned cpus = possible_cpus();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    OurMap ours(make(scenario.spec, cpus), cpus);
    KernelMap kernels(scenario.spec, cpus);
    play(scenario, seed, 2000, ours, kernels);
    if (HasFailure()) return;
  }
}

std::string scenario_name(const ::testing::TestParamInfo<Scenario>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(All, MapsKernel, ::testing::ValuesIn(scenarios(possible_cpus())), scenario_name);

}  // namespace
}  // namespace forager::maps::testing

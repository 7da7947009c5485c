// SPDX-License-Identifier: Apache-2.0
//
// Programs on the simulated core, as a device runs them: what it does itself, what it asks the host for, what stops it.
#include <fmt/format.h>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using exec::testing::verified;
using isa::MapType;
using ::testing::HasSubstr;

Rig rig(std::vector<MapRef> maps = {}) { return {.maps = std::move(maps), .engine = &backend()}; }

std::uint64_t result(const std::string& text, std::vector<MapRef> maps = {}, const Bytes& packet = Bytes(64)) {
  const Frame frame = run(rig(std::move(maps)), text, packet);
  EXPECT_EQ(trap_of(frame), "") << text;
  return frame.return_value;
}

// ---- functions -----------------------------------------------------------------------------------------------------

TEST(RtlDevice, FunctionsGiveBackRegistersAndHaveFramesOfTheirOwn) {
  EXPECT_EQ(result("r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\n*(u64 *)(r10 -8) = 100\nr1 = 1\ncall f\n"
                   "r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
                   "f: r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\n*(u64 *)(r10 -8) = 5\n*(u64 *)(r10 -256) = 5\nr0 = r1\nexit"),
            131U);
}

// What is live on the other side of blocks that were cut off is live.
TEST(RtlDevice, RegistersLiveOverACallThatBranchesFollow) {
  EXPECT_EQ(result("r7 = *(u32 *)(r1 +0)\nr8 = *(u32 *)(r1 +4)\ncall f\nif w0 s<= -5 goto a\ngoto b\na: r5 = r0\nb: r4 = r7\n"
                   "if r4 > r8 goto c\nr0 = 2\nexit\nc: r0 = 1\nexit\nf: r0 = 0\nr7 = 9\nr8 = 0\nexit"),
            2U);
}

}  // namespace
}  // namespace forager::jit::rtl

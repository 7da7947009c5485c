// SPDX-License-Identifier: Apache-2.0
//
// The backend in an executable whose system calls are redirected, as those of the CLI are (-Wl,--wrap=...): it reaches
// the machine's kernel all the same, and uses none of the wrapped symbols.
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>

#include "tests/unit/linux_support.h"

namespace {
int wrapped_calls = 0;
}

extern "C" {
long __wrap_syscall(long, ...) {
  ++wrapped_calls;
  errno = ENOSYS;
  return -1;
}
void* __wrap_mmap(void*, size_t, int, int, int, off_t) {
  ++wrapped_calls;
  return MAP_FAILED;
}
int __wrap_close(int) {
  ++wrapped_calls;
  return -1;
}
int __wrap_epoll_ctl(int, int, int, epoll_event*) {
  ++wrapped_calls;
  return -1;
}
}

namespace forager {
namespace {

using linux_test::Rig;
using linux_test::spec_of;
using linux_test::TestMap;

TEST(LinuxWrapped, TheWrapHolds) {
  wrapped_calls = 0;
  EXPECT_EQ(close(1234567), -1);
  EXPECT_EQ(wrapped_calls, 1);
}

TEST(LinuxWrapped, RunsInTheMachinesKernel) {
  FORAGER_NEEDS_KERNEL();
  wrapped_calls = 0;
  {
    auto ring = std::make_shared<TestMap>(spec_of(isa::MapType::ringbuf, 0, 0, 4096), 1);
    auto perf = std::make_shared<TestMap>(spec_of(isa::MapType::perf_event_array, 4, 4, 8), 1);
    Rig rig;
    rig.open("r1 = map[m0] ll\nr2 = map[m1] ll\nr0 = 3\nexit\n", {ring, perf}, isa::ProgType::xdp, {5});
    EXPECT_EQ(rig.run().return_value, 3U);
  }
  EXPECT_EQ(wrapped_calls, 0);
}

}  // namespace
}  // namespace forager

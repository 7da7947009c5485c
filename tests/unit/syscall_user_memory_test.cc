// SPDX-License-Identifier: Apache-2.0
// Copies from and to a caller's memory: every kind of bad address is -EFAULT, and the process lives on.
#include "syscall/user_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "emulated.h"
#include "syscall/known_memory.h"

namespace forager::syscall {
namespace {

UserAddress address_of(const void* pointer) { return reinterpret_cast<UserAddress>(pointer); }

// Three pages: writable, read-only, not accessible.
class Pages : public ::testing::Test {
 protected:
  void SetUp() override {
    void* memory = mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    base_ = static_cast<char*>(memory);
    std::memset(base_, 'a', 2 * page_);
    ASSERT_EQ(mprotect(base_ + page_, page_, PROT_READ), 0);
    ASSERT_EQ(mprotect(base_ + 2 * page_, page_, PROT_NONE), 0);
  }
  void TearDown() override { munmap(base_, 3 * page_); }

  const std::size_t page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* base_ = nullptr;
  std::array<char, 64> buffer_{};
};

TEST_F(Pages, ReadingNeedsReadablePages) {
  EXPECT_EQ(copy_from_user(buffer_.data(), address_of(base_ + page_ - 32), 64), 0);
  EXPECT_EQ(buffer_[63], 'a');
  EXPECT_EQ(copy_from_user(buffer_.data(), address_of(base_ + 2 * page_ - 64), 64), 0);
  EXPECT_EQ(copy_from_user(buffer_.data(), address_of(base_ + 2 * page_ - 63), 64), -EFAULT);
  EXPECT_EQ(copy_from_user(buffer_.data(), address_of(base_ + 2 * page_), 1), -EFAULT);
}

TEST_F(Pages, WritingNeedsWritablePages) {
  buffer_.fill('b');
  EXPECT_EQ(copy_to_user(address_of(base_ + page_ - 64), buffer_.data(), 64), 0);
  EXPECT_EQ(base_[page_ - 1], 'b');
  EXPECT_EQ(base_[page_ - 65], 'a');
  EXPECT_EQ(copy_to_user(address_of(base_ + page_ - 63), buffer_.data(), 64), -EFAULT);
  EXPECT_EQ(copy_to_user(address_of(base_ + page_), buffer_.data(), 1), -EFAULT);
  EXPECT_EQ(copy_to_user(address_of(base_ + 2 * page_), buffer_.data(), 1), -EFAULT);
  EXPECT_EQ(base_[page_], 'a');
}

TEST_F(Pages, WildAddressesAreFaults) {
  for (const UserAddress wild : {UserAddress{0}, UserAddress{1}, UserAddress{4096}, UserAddress{0xdeadbeef} << 32,
                                 ~UserAddress{0}, ~UserAddress{63}}) {
    EXPECT_EQ(copy_from_user(buffer_.data(), wild, 64), -EFAULT) << wild;
    EXPECT_EQ(copy_to_user(wild, buffer_.data(), 64), -EFAULT) << wild;
  }
}

TEST_F(Pages, NothingMayComeFromAnywhere) {
  EXPECT_EQ(copy_from_user(buffer_.data(), 0, 0), 0);
  EXPECT_EQ(copy_to_user(~UserAddress{0}, buffer_.data(), 0), 0);
  EXPECT_TRUE(read_user(0, 0)->empty());
}

TEST_F(Pages, AbsurdSizesAreFaultsAndCostNothing) {
  EXPECT_EQ(read_user(address_of(base_), std::size_t{1} << 60).error(), -EFAULT);
}

TEST_F(Pages, StringsEndWhereTheyEnd) {
  std::memcpy(base_ + page_ - 3, "xyz", 3);  // goes on in the next page
  EXPECT_EQ(*read_user_string(address_of(base_ + page_ - 3), 5), "xyza") << "cut";
  EXPECT_EQ(*read_user_string(address_of("short"), 128), "short");
  EXPECT_EQ(read_user_string(address_of(base_ + 2 * page_ - 3), 128).error(), -EFAULT) << "no end before the bad page";
  EXPECT_EQ(read_user_string(0, 128).error(), -EFAULT);
}

TEST_F(Pages, TailsMustBeZero) {
  std::memset(base_, 0, 512);
  EXPECT_EQ(check_tail_zero(address_of(base_), 100, 50), 0);
  EXPECT_EQ(check_tail_zero(address_of(base_), 100, 512), 0);
  base_[511] = 1;
  EXPECT_EQ(check_tail_zero(address_of(base_), 100, 511), 0);
  EXPECT_EQ(check_tail_zero(address_of(base_), 100, 512), -E2BIG);
  EXPECT_EQ(check_tail_zero(address_of(base_), 100, page_ + 1), -E2BIG);
  EXPECT_EQ(check_tail_zero(0, 100, 200), -EFAULT);
}

TEST_F(Pages, ErrnoIsLeftAlone) {
  errno = ENOTTY;
  EXPECT_EQ(copy_from_user(buffer_.data(), 0, 1), -EFAULT);
  EXPECT_EQ(errno, ENOTTY);
}

// What is known good without asking. The stack is asked at this frame's address: a sanitizer may keep variables
// elsewhere.
class Known : public Pages {
 protected:
  static bool both(const void* at, std::size_t bytes) {
    return known_readable(address_of(at), bytes) && known_writable(address_of(at), bytes);
  }
  static bool neither(const void* at, std::size_t bytes) {
    return !known_readable(address_of(at), bytes) && !known_writable(address_of(at), bytes);
  }
};

int initialised = 1;
int zeroed;
const int constant = 2;

TEST_F(Known, TheStackInUse) {
  const auto* frame = static_cast<char*>(__builtin_frame_address(0));
  EXPECT_TRUE(both(frame, 64));
  EXPECT_TRUE(neither(frame - (1 << 16), 1)) << "below whatever is called from here";
  EXPECT_TRUE(neither(frame, std::size_t{1} << 40));
  EXPECT_TRUE(neither(frame, SIZE_MAX));
}

TEST_F(Known, EachThreadItsOwnStack) {
  const auto* frame = static_cast<char*>(__builtin_frame_address(0));
  bool own = false, others = true;
  std::thread([&] {
    own = both(__builtin_frame_address(0), 64);
    others = both(frame, 64);
  }).join();
  EXPECT_TRUE(own);
  EXPECT_FALSE(others);
}

TEST_F(Known, NothingOfTheStackFromAnotherOne) {
  static ucontext_t here, there;
  static bool known = true;
  std::vector<char> stack(std::size_t{1} << 17);
  ASSERT_EQ(getcontext(&there), 0);
  there.uc_stack.ss_sp = stack.data();
  there.uc_stack.ss_size = stack.size();
  there.uc_link = &here;
  makecontext(&there, [] { known = known_readable(address_of(__builtin_frame_address(0)), 8); }, 0);
  ASSERT_EQ(swapcontext(&here, &there), 0);
  EXPECT_FALSE(known) << "what is mapped around a coroutine is its owner's business";
}

TEST_F(Known, TheHeapBelowTheBreak) {
  if (forager::testing::is_emulated())
    GTEST_SKIP() << "qemu-user's /proc/self/stat does not tell where the heap begins";
  const auto* end = static_cast<char*>(sbrk(0));
  const auto* grown = static_cast<char*>(sbrk(64));
  ASSERT_EQ(end, grown);
  EXPECT_TRUE(both(grown, 64));
  EXPECT_TRUE(neither(grown, 65));
  ASSERT_NE(sbrk(-64), reinterpret_cast<void*>(-1));
  EXPECT_TRUE(neither(grown, 64)) << "given back";
}

TEST_F(Known, TheExecutablesData) {
  EXPECT_TRUE(both(&initialised, sizeof initialised));
  EXPECT_TRUE(both(&zeroed, sizeof zeroed));
  EXPECT_TRUE(known_readable(address_of(&constant), sizeof constant));
  EXPECT_FALSE(known_writable(address_of(&constant), sizeof constant));
  EXPECT_TRUE(known_readable(address_of("text"), 5));
}

TEST_F(Known, MappingsAreNot) {
  EXPECT_TRUE(neither(base_, 1));
  EXPECT_TRUE(neither(nullptr, 1));
}

}  // namespace
}  // namespace forager::syscall

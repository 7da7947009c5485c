// SPDX-License-Identifier: Apache-2.0
//
// forager_regfile alone, beside an array of registers: a thread's are zero when it begins, whatever stood there; either
// lane writes any of them, and what was written last is read, lane 1's where both write the same.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "Vforager_regfile.h"
#include "tests/rtl/clocked.h"

namespace forager::rtl {
namespace {

constexpr unsigned kThreads = 8, kRegisters = 16;

struct Write {
  bool on = false;
  unsigned reg = 0;
  std::uint64_t value = 0;
};

class RtlRegfile : public ::testing::Test {
 protected:
  RtlRegfile() {
    for (unsigned thread = 0; thread < kThreads; ++thread) clear(thread);
  }
  void clear(unsigned thread) {
    file_.clear_i = 1;
    file_.clear_thread_i = thread;
    file_.tick();
    file_.clear_i = 0;
    registers_[thread] = {};
  }
  void write(unsigned thread, Write lane0, Write lane1) {
    file_.write_thread_i = thread;
    file_.write0_i = lane0.on ? 1 : 0;
    file_.d0_i = lane0.reg;
    file_.value0_i = lane0.value;
    file_.write1_i = lane1.on ? 1 : 0;
    file_.d1_i = lane1.reg;
    file_.value1_i = lane1.value;
    file_.tick();
    file_.write0_i = file_.write1_i = 0;
    for (const Write& lane : {lane0, lane1}) {
      if (lane.on) registers_[thread][lane.reg] = lane.value;
    }
  }
  // Through all four ports at once, each at another register.
  void expect_registers(unsigned thread) {
    file_.read_thread_i = thread;
    for (unsigned reg = 0; reg < kRegisters; ++reg) {
      file_.a0_i = reg;
      file_.b0_i = (reg + 5) % kRegisters;
      file_.a1_i = (reg + 9) % kRegisters;
      file_.b1_i = (reg + 14) % kRegisters;
      file_.eval();
      ASSERT_EQ(file_.a0_o, registers_[thread][file_.a0_i]) << "r" << reg << " of " << thread;
      ASSERT_EQ(file_.b0_o, registers_[thread][file_.b0_i]) << "r" << reg << " of " << thread;
      ASSERT_EQ(file_.a1_o, registers_[thread][file_.a1_i]) << "r" << reg << " of " << thread;
      ASSERT_EQ(file_.b1_o, registers_[thread][file_.b1_i]) << "r" << reg << " of " << thread;
    }
  }
  Write random_write() {
    return {.on = random_() % 3 != 0, .reg = static_cast<unsigned>(random_() % kRegisters), .value = random_()};
  }

  Clocked<Vforager_regfile> file_;
  std::array<std::array<std::uint64_t, kRegisters>, kThreads> registers_{};
  std::mt19937_64 random_{3};  // NOLINT(cert-msc51-cpp): the same in every run
};

TEST_F(RtlRegfile, RegistersAreZeroWhenAThreadBegins) {
  for (unsigned thread = 0; thread < kThreads; ++thread) {
    expect_registers(thread);
    for (unsigned reg = 0; reg < kRegisters; ++reg) write(thread, {reg % 2 == 0, reg, ~0U}, {reg % 2 != 0, reg, ~0U});
    expect_registers(thread);
  }
  clear(3);
  for (unsigned thread = 0; thread < kThreads; ++thread) expect_registers(thread);
}

TEST_F(RtlRegfile, LaneOneIsLastWhereBothWriteARegister) {
  write(2, {true, 7, 1}, {true, 7, 2});
  expect_registers(2);
  write(2, {true, 7, 3}, {});
  expect_registers(2);
}

TEST_F(RtlRegfile, WhatWasWrittenLastIsRead) {
  for (unsigned i = 0; i < 20'000; ++i) {
    const unsigned thread = random_() % kThreads;
    if (random_() % 50 == 0) clear(thread);
    write(thread, random_write(), random_write());
    expect_registers(thread);
    expect_registers(random_() % kThreads);
  }
}

// A thread may begin in the cycle in which another writes.
TEST_F(RtlRegfile, AThreadBeginsWhileAnotherWrites) {
  for (unsigned i = 0; i < 100; ++i) {
    const unsigned begins = i % kThreads, writes = (i + 3) % kThreads;
    write(begins, random_write(), random_write());
    file_.clear_i = 1;
    file_.clear_thread_i = begins;
    write(writes, random_write(), random_write());
    file_.clear_i = 0;
    registers_[begins] = {};
    expect_registers(begins);
    expect_registers(writes);
  }
}

}  // namespace
}  // namespace forager::rtl

// SPDX-License-Identifier: Apache-2.0
//
// forager_dmem as it is simulated (FORAGER_SIMULATION) beside forager_dmem as it is synthesised: both sides read the
// same from both, whatever was written by either. Two writes to one byte in a cycle are nobody's.
#include <gtest/gtest.h>

#include <random>

#include "Vforager_dmem.h"
#include "Vforager_dmem_banks.h"
#include "tests/rtl/clocked.h"

namespace forager::rtl {
namespace {

constexpr unsigned kRows = 16, kWords = 16;

// One side's part in a cycle.
struct Access {
  bool valid = false;
  unsigned row = 0;
  std::uint64_t write = 0;  // byte enables
  std::uint32_t seed = 0;   // of what is written
};

std::uint32_t word_of(const Access& access, unsigned word) { return access.seed * (2 * word + 1); }

class RtlDmem : public ::testing::Test {
 protected:
  RtlDmem() {
    for (unsigned row = 0; row < kRows; ++row) {
      cycle({}, 0, {.valid = true, .row = row, .write = ~std::uint64_t{0}, .seed = row + 1});
    }
    expect_all();
  }

  template <class Memory>
  static void drive(Memory& memory, const Access& core, unsigned next, const Access& port) {
    memory.core_valid_i = core.valid ? 1 : 0;
    memory.core_row_i = core.row;
    memory.core_next_i = next;
    memory.core_write_i = core.write;
    memory.port_valid_i = port.valid ? 1 : 0;
    memory.port_row_i = port.row;
    memory.port_write_i = port.write;
    for (unsigned word = 0; word < kWords; ++word) {
      memory.core_data_i[word] = word_of(core, word);
      memory.port_data_i[word] = word_of(port, word);
    }
    memory.tick();
  }
  void cycle(const Access& core, unsigned next, const Access& port) {
    drive(simulated_, core, next, port);
    drive(banks_, core, next, port);
  }
  void expect_same() {
    for (unsigned word = 0; word < kWords; ++word) {
      ASSERT_EQ(simulated_.core_data_o[word], banks_.core_data_o[word]) << "word " << word;
      ASSERT_EQ(simulated_.port_data_o[word], banks_.port_data_o[word]) << "word " << word;
    }
  }
  void expect_all() {
    for (unsigned row = 0; row < kRows; ++row) {
      cycle({.valid = true, .row = row}, 0, {.valid = true, .row = row});
      expect_same();
    }
  }

  Access random_access() {
    const std::uint64_t enables[] = {0, ~std::uint64_t{0}, random_(), std::uint64_t{0xff} << random_() % 64};
    return {.valid = random_() % 4 != 0,
            .row = static_cast<unsigned>(random_() % kRows),
            .write = enables[random_() % std::size(enables)],
            .seed = static_cast<std::uint32_t>(random_())};
  }

  Clocked<Vforager_dmem> simulated_;
  Clocked<Vforager_dmem_banks> banks_;
  std::mt19937_64 random_{5};  // NOLINT(cert-msc51-cpp): the same in every run
};

TEST_F(RtlDmem, BothSidesReadWhatWasWrittenInEitherForm) {
  for (unsigned i = 0; i < 20000; ++i) {
    const Access core = random_access();
    Access port = random_access();
    if (port.row == core.row || port.row == (core.row + 1) % kRows) port.write = 0;
    cycle(core, 0xffU >> random_() % 9, port);
    expect_same();
    if (HasFatalFailure()) return;
  }
  expect_all();
}

TEST_F(RtlDmem, AReadOfWhatIsWrittenGivesWhatWasThere) {
  cycle({.valid = true, .row = 3}, 0, {.valid = true, .row = 3, .write = ~std::uint64_t{0}, .seed = 77});
  EXPECT_EQ(simulated_.core_data_o[0], 4U);
  EXPECT_EQ(simulated_.port_data_o[0], 4U);
  expect_same();
  cycle({.valid = true, .row = 3}, 0, {});
  EXPECT_EQ(simulated_.core_data_o[0], 77U);
  expect_same();
}

// The two halves of a bank, one by the core and one by the port.
TEST_F(RtlDmem, OneBankIsWrittenByBothSides) {
  cycle({.valid = true, .row = 2, .write = 0x0f, .seed = 11}, 0, {.valid = true, .row = 2, .write = 0xf0, .seed = 13});
  cycle({.valid = true, .row = 2}, 0, {});
  EXPECT_EQ(simulated_.core_data_o[0], 11U);
  EXPECT_EQ(simulated_.core_data_o[1], 3U * 13U);
  expect_same();
}

}  // namespace
}  // namespace forager::rtl

// SPDX-License-Identifier: Apache-2.0
//
// Wave: all signals of a model, clock edge by clock edge, in an FST file (GTKWave, Surfer).
//
// The whole run; or what is around one event: then files of `before` cycles follow each other, of which the last two
// are there at any time, until keep() is called. The last one becomes the file that was asked for; the one before it
// stands beside it as FILE.before.fst if the event came less than `before` cycles after the last one began.
//
// Tested by: tests/unit/rtl_wave_test.cc.
#pragma once

#include <verilated_fst_c.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sim/board/model.h"

namespace forager::sim {

class Wave {
 public:
  // `before` in clock cycles; 0: everything.
  Wave(Model& model, std::string path, std::uint64_t before);
  // Files are whole from here on. What was not to be kept is gone.
  ~Wave();
  Wave(const Wave&) = delete;
  Wave& operator=(const Wave&) = delete;

  // At both edges of each clock cycle.
  void dump(std::uint64_t cycle, bool rising);
  // Something has happened: so many more cycles from now on, whatever was said before.
  void keep(std::uint64_t cycle, std::uint64_t after);

 private:
  enum class State : std::uint8_t { all, waits, keeps, over };

  void begin_file(std::uint64_t cycle);
  void close();
  [[nodiscard]] std::string name_of(unsigned file) const;

  Model& model_;
  std::string path_;
  std::uint64_t before_;
  State state_;
  std::unique_ptr<VerilatedFstC> fst_;
  unsigned files_ = 0;       // begun
  std::uint64_t began_ = 0;  // cycle of the last one's first
  std::uint64_t event_ = 0, until_ = 0;
};

}  // namespace forager::sim

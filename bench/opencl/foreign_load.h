// SPDX-License-Identifier: Apache-2.0
//
// What other processes, and the machine's host, took of the machine meanwhile: figures of two threads mean little where
// a third has one of the two CPUs.
//
// Tested by: nothing asserts figures.
#pragma once

namespace forager::bench {

// From its making on. The kernel counts in hundredths of a second.
class ForeignLoad {
 public:
  ForeignLoad();
  // In percent of all CPUs' time; 0 if the kernel does not tell.
  [[nodiscard]] double percent() const;

 private:
  struct Times {
    double all = 0, busy = 0, own = 0;  // seconds
  };
  [[nodiscard]] static Times now();

  Times begin_;
};

}  // namespace forager::bench

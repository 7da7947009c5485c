// SPDX-License-Identifier: Apache-2.0
//
// A progress bar on standard error for work that lasts over two seconds, on terminals only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace forager::cli {

class Progress {
 public:
  // `unit` is what is counted: "packets".
  Progress(std::uint64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::uint64_t amount);

 private:
  void draw();

  std::uint64_t total_, done_ = 0;
  std::string unit_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, next_;
};

}  // namespace forager::cli

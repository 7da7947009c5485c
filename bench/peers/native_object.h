// SPDX-License-Identifier: Apache-2.0
//
// NativeObject: a program compiled for the host (native/), loaded, with its maps and global variables tied to those of
// the same program's BPF object. One stage a program at a time: what is loaded twice is loaded once.
//
// Tested by: bench_peers, as native_contender.cc uses it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/peers/native/tables.h"
#include "bench/peers/stage.h"

namespace forager::bench {

class NativeObject {
 public:
  // Errors: unsupported, where there is no such object; bug, where its maps are not the stage's.
  [[nodiscard]] static Result<NativeObject> open(Stage& stage);

  [[nodiscard]] native_program program() const { return program_; }
  [[nodiscard]] std::uint32_t& redirect() const { return calls_->redirect; }
  [[nodiscard]] std::size_t code_bytes() const { return code_bytes_; }

  // Global variables of .data and .bss, from the BPF object's maps and back to them.
  void take_globals(Stage& stage) { copy_globals(stage, true); }
  void give_globals(Stage& stage) { copy_globals(stage, false); }

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  NativeObject() = default;
  [[nodiscard]] Result<> bind(exec::Map& map);
  void copy_globals(Stage& stage, bool in);

  std::unique_ptr<void, Close> handle_;
  native_program program_ = nullptr;
  native_calls* calls_ = nullptr;
  std::size_t code_bytes_ = 0;
  std::vector<std::unique_ptr<std::vector<std::uint32_t>>> ports_;
};

}  // namespace forager::bench

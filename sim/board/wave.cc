// SPDX-License-Identifier: Apache-2.0
#include "sim/board/wave.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace forager::sim {

namespace fs = std::filesystem;

Wave::Wave(Model& model, std::string path, std::uint64_t before)
    : model_(model), path_(std::move(path)), before_(before), state_(before == 0 ? State::all : State::waits) {}

Wave::~Wave() {
  close();
  std::error_code ignored;
  if (state_ == State::waits) {
    for (unsigned file = files_ < 2 ? 0 : files_ - 2; file < files_; ++file) fs::remove(name_of(file), ignored);
  }
}

std::string Wave::name_of(unsigned file) const {
  return state_ == State::all ? path_ : path_ + (file % 2 == 0 ? ".part0" : ".part1");
}

void Wave::begin_file(std::uint64_t cycle) {
  close();
  fst_ = std::make_unique<VerilatedFstC>();
  model_.trace(*fst_);
  fst_->open(name_of(files_).c_str());
  ++files_;
  began_ = cycle;
}

void Wave::dump(std::uint64_t cycle, bool rising) {
  if (state_ == State::over) return;
  const bool full = state_ == State::waits && !rising && cycle - began_ >= before_;
  if (fst_ == nullptr || full) begin_file(cycle);
  fst_->dump(2 * cycle + (rising ? 1 : 0));
  if (state_ == State::keeps && rising && cycle >= until_) {
    close();
    state_ = State::over;
  }
}

void Wave::keep(std::uint64_t cycle, std::uint64_t after) {
  if (state_ == State::waits) {
    state_ = State::keeps;
    event_ = cycle;
  }
  if (state_ == State::keeps) until_ = cycle + after;
}

void Wave::close() {
  if (fst_ == nullptr) return;
  fst_->close();
  fst_.reset();
  if (state_ != State::keeps) return;
  std::error_code ignored;
  fs::rename(name_of(files_ - 1), path_, ignored);
  if (files_ < 2) return;
  if (event_ - began_ < before_) {
    fs::rename(name_of(files_ - 2), path_ + ".before.fst", ignored);
  } else {
    fs::remove(name_of(files_ - 2), ignored);
  }
}

}  // namespace forager::sim

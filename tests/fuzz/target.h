// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share. A target is one LLVMFuzzerTestOneInput; it is linked twice: with libFuzzer (`./dev
// fuzz`) and with smoke_main.cc, which feeds it mutated seeds for a fixed number of rounds in every test run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace forager::fuzz {

// A file that exists in memory only, for code that takes paths.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

}  // namespace forager::fuzz

// SPDX-License-Identifier: Apache-2.0
//
// RecordFile: a file that a profiler finds by the number of the process. Its directory may be anybody's (/tmp), so what
// stands there under that name must be a file of ours, and no link. Records are written whole or not at all. It is the
// process's that opened it: in a child of fork(), nothing is written.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "forager/result.h"

namespace forager::jit {

class RecordFile {
 public:
  // Keeps what the process has written there before (other compilers write perf maps too); what an earlier process of
  // the same number left is emptied. Errors: system.
  [[nodiscard]] static Result<RecordFile> open(std::string path);
  RecordFile(RecordFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), owner_(other.owner_) {}
  RecordFile& operator=(RecordFile&&) = delete;
  ~RecordFile();

  [[nodiscard]] bool mine() const;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // At the end, in one write; the value is where it stands. Errors: system; the file is as it was before.
  [[nodiscard]] Result<off_t> append(std::span<const std::byte> record);
  // Writes over what stands there.
  void patch(off_t at, std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] Result<> empty();

 private:
  RecordFile(std::string path, int fd);
  [[nodiscard]] std::unexpected<Diagnostic> failed(const char* what, int error) const;
  [[nodiscard]] Result<> check() const;

  std::string path_;
  int fd_ = -1;
  pid_t owner_ = 0;
};

}  // namespace forager::jit

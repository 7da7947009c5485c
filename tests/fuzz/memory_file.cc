// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/fuzz/target.h"

namespace forager::fuzz {

MemoryFile::MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
  if (fd_ < 0) throw std::runtime_error("memfd_create failed");
  while (size > 0) {
    const ssize_t written = ::write(fd_, data, size);
    if (written <= 0) throw std::runtime_error("write to memfd failed");
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  path_ = "/proc/self/fd/" + std::to_string(fd_);
}

MemoryFile::~MemoryFile() { ::close(fd_); }

}  // namespace forager::fuzz

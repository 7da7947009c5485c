// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/record_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>

namespace forager::jit {
namespace {

// Seconds since 1970 at which this process began; 0 if nobody says. proc(5): the 22nd word of the line, the 20th after
// the name, counts ticks since the machine was booted.
std::time_t process_start() {
  std::ifstream file("/proc/self/stat");
  std::string line{std::istreambuf_iterator<char>(file), {}};
  std::istringstream words(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string word;
  for (int i = 0; i < 20; ++i) words >> word;
  timespec up{};
  if (!words || clock_gettime(CLOCK_BOOTTIME, &up) != 0) return 0;
  return std::time(nullptr) - up.tv_sec + std::strtol(word.c_str(), nullptr, 10) / sysconf(_SC_CLK_TCK);
}

}  // namespace

RecordFile::RecordFile(std::string path, int fd) : path_(std::move(path)), fd_(fd), owner_(getpid()) {}

RecordFile::~RecordFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Diagnostic> RecordFile::failed(const char* what, int error) const {
  return fail(ErrorKind::system, error, fmt::format("{} {}: {}", what, path_, std::strerror(error)));
}

Result<RecordFile> RecordFile::open(std::string path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const int fd = ::open(path.c_str(), kFlags, 0644);
  const int error = errno;
  RecordFile file(std::move(path), fd);
  if (fd < 0) return file.failed("cannot write", error);
  if (auto sound = file.check(); !sound) return std::unexpected(std::move(sound.error()));
  return file;
}

Result<> RecordFile::check() const {
  struct stat is{};
  if (fstat(fd_, &is) != 0) return failed("cannot read", errno);
  if (!S_ISREG(is.st_mode) || is.st_uid != geteuid() || is.st_nlink != 1) {
    return failed("somebody else's file is at", EEXIST);
  }
  // A second is what the two clocks may differ by.
  if (is.st_mtim.tv_sec + 1 < process_start() && ftruncate(fd_, 0) != 0) return failed("cannot empty", errno);
  return {};
}

bool RecordFile::mine() const { return owner_ == getpid(); }

Result<off_t> RecordFile::append(std::span<const std::byte> record) {
  const ssize_t written = ::write(fd_, record.data(), record.size());
  const int error = errno;
  const off_t end = lseek(fd_, 0, SEEK_CUR);
  if (written == static_cast<ssize_t>(record.size())) return end - written;
  if (written > 0 && ftruncate(fd_, end - written) != 0) return failed("cannot shorten", errno);
  return failed("cannot write", written < 0 ? error : ENOSPC);
}

// Linux writes at the end of files that are open for appending, wherever it is told to write.
void RecordFile::patch(off_t at, std::span<const std::byte> bytes) noexcept {
  const int flags = fcntl(fd_, F_GETFL);
  fcntl(fd_, F_SETFL, flags & ~O_APPEND);
  std::ignore = pwrite(fd_, bytes.data(), bytes.size(), at);
  fcntl(fd_, F_SETFL, flags);
}

Result<> RecordFile::empty() {
  if (ftruncate(fd_, 0) != 0) return failed("cannot empty", errno);
  return {};
}

}  // namespace forager::jit

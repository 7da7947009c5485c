// SPDX-License-Identifier: Apache-2.0
//
// The second half of wrap.cc: functions of the C library that take a path. What is virtual goes to virtual_files.h, all
// else to where it always went. What libbpf 1.1 itself calls is statfs64, mkdir, unlink, faccessat and fopen64; the
// others are for the users of pins.
//
// Tested by: tests/e2e.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <tuple>

#include "syscall/iterator_file.h"
#include "syscall/process.h"

namespace {

namespace ours = forager::syscall;

ours::VirtualFiles& files() { return ours::process().files; }

int as_libc(long result) {
  if (result >= 0) return static_cast<int>(result);
  errno = static_cast<int>(-result);
  return -1;
}

// The text of a virtual file. Other paths do not get as far as the process, which opens files while it is made.
std::optional<std::string> text_of(const char* path, const char* mode) {
  if (*mode != 'r' || !ours::VirtualFiles::may_have_text(path)) return std::nullopt;
  return files().read(path);
}

// A file that has the text in it, to be read from its beginning.
FILE* open_text(const std::string& text) {
  const int fd = memfd_create("forager", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (written && lseek(fd, 0, SEEK_SET) == 0) return fdopen(fd, "r");
  ::close(fd);
  return nullptr;
}

// ---- streams on iterators; the cookie is the descriptor ------------------------------------------------------------

ssize_t read_stream(void* cookie, char* to, size_t size) { return ::read(*static_cast<int*>(cookie), to, size); }

int close_stream(void* cookie) {
  const std::unique_ptr<int> fd(static_cast<int*>(cookie));
  return ::close(*fd);
}

}  // namespace

extern "C" {

FILE* __real_fopen(const char* path, const char* mode);
FILE* __real_fdopen(int fd, const char* mode);
FILE* __real_fopen64(const char* path, const char* mode);
int __real_statfs(const char* path, struct statfs* to);
int __real_statfs64(const char* path, struct statfs64* to);
int __real_stat(const char* path, struct stat* to);
int __real_lstat(const char* path, struct stat* to);
int __real_access(const char* path, int mode);
int __real_faccessat(int directory, const char* path, int mode, int flags);
int __real_mkdir(const char* path, mode_t mode);
int __real_mkdirat(int directory, const char* path, mode_t mode);
int __real_rmdir(const char* path);
int __real_unlink(const char* path);
int __real_unlinkat(int directory, const char* path, int flags);
int __real_remove(const char* path);
DIR* __real_opendir(const char* path);
struct dirent* __real_readdir(DIR* directory);
struct dirent64* __real_readdir64(DIR* directory);
void __real_rewinddir(DIR* directory);
int __real_closedir(DIR* directory);

FILE* __wrap_fopen(const char* path, const char* mode) {
  const auto text = text_of(path, mode);
  return text ? open_text(*text) : __real_fopen(path, mode);
}
// A stream on an iterator's descriptor: the C library's own reads would pass us by.
FILE* __wrap_fdopen(int fd, const char* mode) {
  if (*mode != 'r' || !ours::IteratorFile::any() || !ours::process().fds.find<ours::IteratorFile>(fd)) {
    return __real_fdopen(fd, mode);
  }
  constexpr cookie_io_functions_t kReads{.read = read_stream, .write = nullptr, .seek = nullptr, .close = close_stream};
  auto cookie = std::make_unique<int>(fd);
  FILE* const stream = fopencookie(cookie.get(), mode, kReads);
  if (stream != nullptr) std::ignore = cookie.release();
  return stream;
}

FILE* __wrap_fopen64(const char* path, const char* mode) {
  const auto text = text_of(path, mode);
  return text ? open_text(*text) : __real_fopen64(path, mode);
}

// The two structures are one on every machine that this is built for, as are those of stat and readdir.
int __wrap_statfs(const char* path, struct statfs* to) {
  const auto result = files().statfs(path, to);
  return result ? as_libc(*result) : __real_statfs(path, to);
}
int __wrap_statfs64(const char* path, struct statfs64* to) {
  const auto result = files().statfs(path, reinterpret_cast<struct statfs*>(to));
  return result ? as_libc(*result) : __real_statfs64(path, to);
}

int __wrap_stat(const char* path, struct stat* to) {
  const auto result = files().stat(AT_FDCWD, path, to);
  return result ? as_libc(*result) : __real_stat(path, to);
}
int __wrap_lstat(const char* path, struct stat* to) {
  const auto result = files().stat(AT_FDCWD, path, to);
  return result ? as_libc(*result) : __real_lstat(path, to);
}

int __wrap_access(const char* path, int mode) {
  const auto result = files().access(AT_FDCWD, path);
  return result ? as_libc(*result) : __real_access(path, mode);
}
int __wrap_faccessat(int directory, const char* path, int mode, int flags) {
  const auto result = files().access(directory, path);
  return result ? as_libc(*result) : __real_faccessat(directory, path, mode, flags);
}

int __wrap_mkdir(const char* path, mode_t mode) {
  const auto result = files().mkdir(AT_FDCWD, path);
  return result ? as_libc(*result) : __real_mkdir(path, mode);
}
int __wrap_mkdirat(int directory, const char* path, mode_t mode) {
  const auto result = files().mkdir(directory, path);
  return result ? as_libc(*result) : __real_mkdirat(directory, path, mode);
}
int __wrap_rmdir(const char* path) {
  const auto result = files().unlink(AT_FDCWD, path, AT_REMOVEDIR);
  return result ? as_libc(*result) : __real_rmdir(path);
}
int __wrap_unlink(const char* path) {
  const auto result = files().unlink(AT_FDCWD, path, 0);
  return result ? as_libc(*result) : __real_unlink(path);
}
int __wrap_unlinkat(int directory, const char* path, int flags) {
  const auto result = files().unlink(directory, path, flags);
  return result ? as_libc(*result) : __real_unlinkat(directory, path, flags);
}
int __wrap_remove(const char* path) {
  auto result = files().unlink(AT_FDCWD, path, 0);
  if (result && *result == -EISDIR) result = files().unlink(AT_FDCWD, path, AT_REMOVEDIR);
  return result ? as_libc(*result) : __real_remove(path);
}

DIR* __wrap_opendir(const char* path) {
  const auto opened = files().opendir(path);
  if (!opened) return __real_opendir(path);
  if (*opened) return **opened;
  as_libc(opened->error());
  return nullptr;
}
struct dirent64* __wrap_readdir64(DIR* directory) {
  ours::DirectoryStream* const stream = files().stream(directory);
  if (stream == nullptr) return __real_readdir64(directory);
  return stream->next < stream->entries.size() ? &stream->entries[stream->next++] : nullptr;
}
struct dirent* __wrap_readdir(DIR* directory) {
  if (files().stream(directory) == nullptr) return __real_readdir(directory);
  return reinterpret_cast<struct dirent*>(__wrap_readdir64(directory));
}
void __wrap_rewinddir(DIR* directory) {
  ours::DirectoryStream* const stream = files().stream(directory);
  if (stream == nullptr) {
    __real_rewinddir(directory);
  } else {
    stream->next = 0;
  }
}
int __wrap_closedir(DIR* directory) { return files().closedir(directory) ? 0 : __real_closedir(directory); }

}  // extern "C"

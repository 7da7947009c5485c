// SPDX-License-Identifier: Apache-2.0
//
// The files that libbpf and its users expect of a kernel with BPF, as far as they are ours: bpffs (pin_tree.h), and the
// files in which Linux writes the numbers of probes and tracepoints (tracepoint_ids.h):
//
//   /sys/bus/event_source/devices/{kprobe,uprobe}/type, .../format/retprobe
//   /sys/kernel/tracing/events/CATEGORY/EVENT/id, and the same below /sys/kernel/debug/tracing
//
// Each function is the C library's of that name: a result or a negative errno, and nothing where the path is not ours.
//
// Tested by: tests/unit/syscall_pin_test.cc, tests/e2e.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "syscall/pin_tree.h"
#include "syscall/tracepoint_ids.h"

namespace forager::syscall {

// What opendir(3) of a virtual directory gives.
struct DirectoryStream {
  std::vector<dirent64> entries;
  std::size_t next = 0;
};

class VirtualFiles {
 public:
  VirtualFiles(const std::string& mount, TracepointIds& tracepoints) : pins_(mount), tracepoints_(tracepoints) {}

  [[nodiscard]] PinTree& pins() { return pins_; }
  // The normal path that `path` has from a directory's descriptor (AT_FDCWD: the working directory). -EBADF.
  [[nodiscard]] static Errno<std::string> resolve(int directory, std::string_view path);

  [[nodiscard]] std::optional<long> statfs(const char* path, struct statfs* to) const;
  [[nodiscard]] std::optional<long> stat(int directory, const char* path, struct stat* to) const;
  [[nodiscard]] std::optional<long> access(int directory, const char* path) const;
  [[nodiscard]] std::optional<long> mkdir(int directory, const char* path);
  [[nodiscard]] std::optional<long> unlink(int directory, const char* path, int flags);  // AT_REMOVEDIR
  // Whether a file of this path may be ours to read.
  [[nodiscard]] static bool may_have_text(std::string_view path) {
    return path.starts_with("/sys/bus/event_source/") || path.starts_with("/sys/kernel/");
  }
  // The text of a file that is ours to read.
  [[nodiscard]] std::optional<std::string> read(std::string_view path) const;

  [[nodiscard]] std::optional<Errno<DIR*>> opendir(const char* path);
  // The stream, if it is one of ours.
  [[nodiscard]] DirectoryStream* stream(DIR* directory);
  [[nodiscard]] bool closedir(DIR* directory);  // false: not ours

 private:
  [[nodiscard]] std::optional<std::string> ours(int directory, const char* path) const;

  PinTree pins_;
  TracepointIds& tracepoints_;
  std::mutex mutex_;
  std::map<DIR*, std::unique_ptr<DirectoryStream>> streams_;
};

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// PinTree: the names under which maps, programs and links live on without descriptors. It stands in for bpffs: the
// directories below Settings::bpffs are virtual, with the errno values of that file system (kernel/bpf/inode.c); a name
// anywhere else is taken as it is, without directories. Names live as long as the process, but for those that a
// PinStore keeps: see docs/adr/0009.
//
// Paths are normalised by their letters: there are no symbolic links.
//
// Invariant: safe from any thread; no object is destroyed under the lock.
//
// Tested by: tests/unit/syscall_pin_test.cc, tests/e2e.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "syscall/fd_table.h"

namespace forager::syscall {

// An absolute path without ".", ".." and double slashes; a relative one is taken from `base`.
[[nodiscard]] std::string normal_path(std::string_view base, std::string_view path);

class PinTree {
 public:
  enum class Kind : std::uint8_t { directory, map, program, link };

  explicit PinTree(const std::string& mount) : mount_(mount) {}

  // Told of each path where a pin came or went, afterwards and without the lock. A negative errno takes back a pin.
  using Watcher = std::function<long(const std::string& path)>;
  void watch(Watcher watcher);

  // Whether a normal path lies in the virtual file system, or names something that is pinned elsewhere.
  [[nodiscard]] bool covers(const std::string& path) const;
  // Nothing if there is nothing.
  [[nodiscard]] std::optional<Kind> kind_at(const std::string& path) const;

  // -EEXIST, -ENOENT or -ENOTDIR for the parent, -EPERM for a name with a dot, -EINVAL for what cannot be pinned.
  [[nodiscard]] long pin(const std::string& path, Object object);
  // -ENOENT; -EACCES for a directory.
  [[nodiscard]] Errno<Object> get(const std::string& path) const;
  [[nodiscard]] long unlink(const std::string& path);  // -ENOENT; -EISDIR
  [[nodiscard]] long make_directory(const std::string& path);
  [[nodiscard]] long remove_directory(const std::string& path);  // -ENOENT, -ENOTDIR, -ENOTEMPTY, -EBUSY (the mount)
  // Names in a directory, sorted. -ENOENT, -ENOTDIR.
  [[nodiscard]] Errno<std::vector<std::string>> list(const std::string& directory) const;
  // Everything that is pinned.
  [[nodiscard]] std::vector<std::pair<std::string, Object>> pinned() const;

 private:
  struct Node {
    std::optional<Object> object;  // none: a directory
  };
  [[nodiscard]] bool inside(const std::string& path) const;
  [[nodiscard]] bool is_directory(const std::string& path) const;
  [[nodiscard]] long check_new(const std::string& path) const;
  [[nodiscard]] long add(const std::string& path, Object object);
  [[nodiscard]] long take_out(const std::string& path);
  [[nodiscard]] long tell(const std::string& path) const;

  const std::string& mount_;
  mutable std::mutex mutex_;
  std::map<std::string, Node> nodes_;
  Watcher watcher_;
};

}  // namespace forager::syscall

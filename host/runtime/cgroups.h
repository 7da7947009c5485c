// SPDX-License-Identifier: Apache-2.0
//
// Cgroups: the tree of cgroups that programs are attached to. It is virtual: a cgroup is a path ("/", "/web",
// "/web/a"), comes to be when it is first named, and stays. No process is in one; events say which cgroup they belong
// to.
//
// Ids count from 1, the root's, as on a kernel where it is the inode of the mount's root.
//
// Tested by: tests/unit/runtime_attach_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forager::runtime {

class Cgroups {
 public:
  static constexpr std::uint64_t kRoot = 1;

  // The cgroup at an absolute path, with its ancestors made if they are not there. Empty names and "." count for
  // nothing; nothing for a relative path and for one with "..".
  [[nodiscard]] std::optional<std::uint64_t> at(std::string_view path);
  // The cgroup and those above it, itself first, the root last; empty for an id that was never given.
  [[nodiscard]] std::vector<std::uint64_t> lineage(std::uint64_t id) const;
  // "/web/a"; empty for an id that was never given.
  [[nodiscard]] std::string path_of(std::uint64_t id) const;

 private:
  struct Node {
    std::string path;
    std::uint64_t parent;
  };
  [[nodiscard]] std::uint64_t child(std::uint64_t parent, std::string_view name);

  mutable std::mutex mutex_;
  std::vector<Node> nodes_{{"", 0}};  // by id - 1; the root's path is empty here
  std::map<std::string, std::uint64_t, std::less<>> by_path_{{"", kRoot}};
};

}  // namespace forager::runtime

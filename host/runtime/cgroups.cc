// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroups.h"

#include <algorithm>

namespace forager::runtime {

std::uint64_t Cgroups::child(std::uint64_t parent, std::string_view name) {
  std::string path = nodes_[parent - 1].path + "/" + std::string(name);
  const auto [at, fresh] = by_path_.try_emplace(path, nodes_.size() + 1);
  if (fresh) nodes_.push_back({std::move(path), parent});
  return at->second;
}

std::optional<std::uint64_t> Cgroups::at(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  const std::lock_guard guard(mutex_);
  std::uint64_t id = kRoot;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return std::nullopt;
    id = child(id, name);
  }
  return id;
}

std::vector<std::uint64_t> Cgroups::lineage(std::uint64_t id) const {
  std::vector<std::uint64_t> ids;
  const std::lock_guard guard(mutex_);
  for (; id != 0 && id <= nodes_.size(); id = nodes_[id - 1].parent) ids.push_back(id);
  return ids;
}

std::string Cgroups::path_of(std::uint64_t id) const {
  const std::lock_guard guard(mutex_);
  if (id == 0 || id > nodes_.size()) return {};
  return id == kRoot ? "/" : nodes_[id - 1].path;
}

}  // namespace forager::runtime

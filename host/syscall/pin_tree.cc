// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_tree.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace forager::syscall {
namespace {

std::string_view parent_of(std::string_view path) { return path.substr(0, path.rfind('/')); }
std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

struct KindOf {
  std::optional<PinTree::Kind> operator()(const std::shared_ptr<runtime::MapUser>&) const { return PinTree::Kind::map; }
  std::optional<PinTree::Kind> operator()(const std::shared_ptr<runtime::ProgramObject>&) const {
    return PinTree::Kind::program;
  }
  std::optional<PinTree::Kind> operator()(const std::shared_ptr<runtime::LinkObject>&) const {
    return PinTree::Kind::link;
  }
  template <class T>
  std::optional<PinTree::Kind> operator()(const T&) const {
    return std::nullopt;
  }
};

}  // namespace

std::string normal_path(std::string_view base, std::string_view path) {
  std::string whole(path.starts_with('/') ? "" : base);
  whole += '/';
  whole += path;
  std::string normal;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t end = std::min(whole.find('/', at), whole.size());
    const std::string_view name = std::string_view(whole).substr(at, end - at);
    at = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      normal.resize(parent_of(normal).size());
    } else {
      normal.append("/").append(name);
    }
  }
  return normal.empty() ? "/" : normal;
}

bool PinTree::inside(const std::string& path) const {
  return path.starts_with(mount_) && (path.size() == mount_.size() || path[mount_.size()] == '/');
}

bool PinTree::is_directory(const std::string& path) const {
  if (path == mount_) return true;
  const auto at = nodes_.find(path);
  return at != nodes_.end() && !at->second.object;
}

bool PinTree::covers(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  return inside(path) || nodes_.contains(path);
}

std::optional<PinTree::Kind> PinTree::kind_at(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  if (is_directory(path)) return Kind::directory;
  const auto at = nodes_.find(path);
  return at == nodes_.end() ? std::nullopt : std::visit(KindOf{}, *at->second.object);
}

// As the kernel looks a path up: what is there, then its parent, then its name.
long PinTree::check_new(const std::string& path) const {
  if (path.size() >= PATH_MAX || name_of(path).size() > NAME_MAX) return -ENAMETOOLONG;
  if (nodes_.contains(path) || path == mount_) return -EEXIST;
  if (!inside(path)) return 0;
  const std::string parent(parent_of(path));
  if (!is_directory(parent)) return nodes_.contains(parent) ? -ENOTDIR : -ENOENT;
  return name_of(path).contains('.') ? -EPERM : 0;
}

void PinTree::watch(Watcher watcher) {
  const std::lock_guard guard(mutex_);
  watcher_ = std::move(watcher);
}

long PinTree::tell(const std::string& path) const {
  std::unique_lock guard(mutex_);
  const Watcher watcher = watcher_;
  guard.unlock();
  return watcher ? watcher(path) : 0;
}

long PinTree::add(const std::string& path, Object object) {
  const std::lock_guard guard(mutex_);
  if (const long error = check_new(path); error != 0) return error;
  nodes_.emplace(path, Node{std::move(object)});
  return 0;
}

long PinTree::pin(const std::string& path, Object object) {
  if (!std::visit(KindOf{}, object)) return -EINVAL;
  if (const long error = add(path, std::move(object)); error != 0) return error;
  const long error = tell(path);
  if (error != 0) (void)take_out(path);
  return error;
}

Errno<Object> PinTree::get(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  if (is_directory(path)) return std::unexpected(-EACCES);
  const auto at = nodes_.find(path);
  if (at == nodes_.end()) return std::unexpected(-ENOENT);
  return *at->second.object;
}

long PinTree::take_out(const std::string& path) {
  Node removed;  // destroyed after the lock
  const std::lock_guard guard(mutex_);
  if (is_directory(path)) return -EISDIR;
  const auto at = nodes_.find(path);
  if (at == nodes_.end()) return -ENOENT;
  removed = std::move(at->second);
  nodes_.erase(at);
  return 0;
}

long PinTree::unlink(const std::string& path) {
  const long error = take_out(path);
  if (error == 0) (void)tell(path);
  return error;
}

long PinTree::make_directory(const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (const long error = check_new(path); error != 0) return error;
  nodes_.emplace(path, Node{});
  return 0;
}

long PinTree::remove_directory(const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (path == mount_) return -EBUSY;
  const auto at = nodes_.find(path);
  if (at == nodes_.end()) return -ENOENT;
  if (at->second.object) return -ENOTDIR;
  const auto next = nodes_.lower_bound(path + "/");
  if (next != nodes_.end() && next->first.starts_with(path + "/")) return -ENOTEMPTY;
  nodes_.erase(at);
  return 0;
}

Errno<std::vector<std::string>> PinTree::list(const std::string& directory) const {
  const std::lock_guard guard(mutex_);
  if (!is_directory(directory)) return std::unexpected(nodes_.contains(directory) ? -ENOTDIR : -ENOENT);
  std::vector<std::string> names;
  const std::string prefix = directory + "/";
  for (auto at = nodes_.lower_bound(prefix); at != nodes_.end() && at->first.starts_with(prefix); ++at) {
    if (parent_of(at->first) == directory) names.emplace_back(name_of(at->first));
  }
  return names;
}

std::vector<std::pair<std::string, Object>> PinTree::pinned() const {
  std::vector<std::pair<std::string, Object>> all;
  const std::lock_guard guard(mutex_);
  for (const auto& [path, node] : nodes_) {
    if (node.object) all.emplace_back(path, *node.object);
  }
  return all;
}

}  // namespace forager::syscall

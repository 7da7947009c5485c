// SPDX-License-Identifier: Apache-2.0
#include "syscall/virtual_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace forager::syscall {
namespace {

// A descriptor's path, as /proc has it. syscall() passes by the functions that lead back here.
Errno<std::string> path_of(int directory) {
  const std::string link = directory == AT_FDCWD ? "/proc/self/cwd" : fmt::format("/proc/self/fd/{}", directory);
  std::string path(PATH_MAX, '\0');
  const long length = ::syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size());
  if (length < 0) return std::unexpected(-EBADF);
  path.resize(static_cast<std::size_t>(length));
  return path;
}

// What stands between two texts; nothing if they do not stand there.
std::optional<std::string_view> between(std::string_view text, std::string_view before, std::string_view after) {
  if (!text.starts_with(before) || !text.ends_with(after) || text.size() < before.size() + after.size()) {
    return std::nullopt;
  }
  return text.substr(before.size(), text.size() - before.size() - after.size());
}

struct NumberFile {
  std::string_view path;
  std::uint32_t type;
};
constexpr NumberFile kTypes[] = {{"/sys/bus/event_source/devices/kprobe/type", kKprobeType},
                                 {"/sys/bus/event_source/devices/uprobe/type", kUprobeType}};
constexpr std::string_view kReturnBits[] = {"/sys/bus/event_source/devices/kprobe/format/retprobe",
                                            "/sys/bus/event_source/devices/uprobe/format/retprobe"};
constexpr std::string_view kEvents[] = {"/sys/kernel/tracing/events/", "/sys/kernel/debug/tracing/events/"};

dirent64 entry_of(std::string_view name, PinTree::Kind kind) {
  dirent64 entry{};
  entry.d_ino = 1;
  entry.d_reclen = sizeof entry;
  entry.d_type = kind == PinTree::Kind::directory ? DT_DIR : DT_REG;
  name.copy(entry.d_name, sizeof entry.d_name - 1);
  return entry;
}

}  // namespace

Errno<std::string> VirtualFiles::resolve(int directory, std::string_view path) {
  if (path.starts_with('/')) return normal_path("", path);
  const auto base = path_of(directory);
  if (!base) return base;
  return normal_path(*base, path);
}

std::optional<std::string> VirtualFiles::ours(int directory, const char* path) const {
  if (path == nullptr || *path == '\0') return std::nullopt;
  const auto resolved = resolve(directory, path);
  if (!resolved || !pins_.covers(*resolved)) return std::nullopt;
  return *resolved;
}

std::optional<long> VirtualFiles::statfs(const char* path, struct statfs* to) const {
  const auto at = ours(AT_FDCWD, path);
  if (!at) return std::nullopt;
  if (!pins_.kind_at(*at)) return -ENOENT;
  std::memset(to, 0, sizeof *to);
  to->f_type = BPF_FS_MAGIC;
  to->f_namelen = NAME_MAX;
  return 0;
}

std::optional<long> VirtualFiles::stat(int directory, const char* path, struct stat* to) const {
  const auto at = ours(directory, path);
  if (!at) return std::nullopt;
  const auto kind = pins_.kind_at(*at);
  if (!kind) return -ENOENT;
  std::memset(to, 0, sizeof *to);
  to->st_mode = *kind == PinTree::Kind::directory ? S_IFDIR | 0700 : S_IFREG | 0600;
  to->st_nlink = 1;
  to->st_uid = getuid();
  to->st_gid = getgid();
  return 0;
}

std::optional<long> VirtualFiles::access(int directory, const char* path) const {
  const auto at = ours(directory, path);
  if (!at) return std::nullopt;
  return pins_.kind_at(*at) ? 0 : -ENOENT;
}

std::optional<long> VirtualFiles::mkdir(int directory, const char* path) {
  const auto at = ours(directory, path);
  return at ? std::optional(pins_.make_directory(*at)) : std::nullopt;
}

std::optional<long> VirtualFiles::unlink(int directory, const char* path, int flags) {
  const auto at = ours(directory, path);
  if (!at) return std::nullopt;
  return (flags & AT_REMOVEDIR) != 0 ? pins_.remove_directory(*at) : pins_.unlink(*at);
}

std::optional<std::string> VirtualFiles::read(std::string_view path) const {
  for (const NumberFile& file : kTypes) {
    if (file.path == path) return fmt::format("{}\n", file.type);
  }
  for (const std::string_view file : kReturnBits) {
    if (file == path) return "config:0\n";
  }
  for (const std::string_view events : kEvents) {
    const auto name = between(path, events, "/id");
    if (!name || name->find('/') == std::string_view::npos) continue;
    const auto id = tracepoints_.id_of(*name);
    if (id) return fmt::format("{}\n", *id);
  }
  return std::nullopt;
}

std::optional<Errno<DIR*>> VirtualFiles::opendir(const char* path) {
  const auto at = ours(AT_FDCWD, path);
  if (!at) return std::nullopt;
  const auto names = pins_.list(*at);
  if (!names) return std::unexpected(names.error());
  auto stream = std::make_unique<DirectoryStream>();
  for (const char* name : {".", ".."}) stream->entries.push_back(entry_of(name, PinTree::Kind::directory));
  for (const std::string& name : *names) {
    stream->entries.push_back(entry_of(name, pins_.kind_at(*at + "/" + name).value_or(PinTree::Kind::map)));
  }
  const std::lock_guard guard(mutex_);
  auto* const handle = reinterpret_cast<DIR*>(stream.get());
  streams_[handle] = std::move(stream);
  return handle;
}

DirectoryStream* VirtualFiles::stream(DIR* directory) {
  const std::lock_guard guard(mutex_);
  const auto at = streams_.find(directory);
  return at == streams_.end() ? nullptr : at->second.get();
}

bool VirtualFiles::closedir(DIR* directory) {
  const std::lock_guard guard(mutex_);
  return streams_.erase(directory) != 0;
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "cli/pins.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace forager::cli {
namespace {

constexpr std::string_view kRoot = "/sys/fs/bpf/";
constexpr std::size_t kLongest = 200;
constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";

bool good_parts(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part.front() == '.') return false;
    path.remove_prefix(part.size());
  }
  return true;
}

const Pin* pin_at(const Registry& registry, const std::string& path) {
  const auto at = std::ranges::find(registry.pins, path, &Pin::path);
  return at == registry.pins.end() ? nullptr : &*at;
}

const char* word_of(PinKind kind) {
  constexpr const char* kWords[] = {"program", "map", "link"};
  return kWords[static_cast<std::size_t>(kind)];
}

}  // namespace

Result<std::string> pin_path(const std::string& text) {
  std::string path = text.starts_with('/') ? text : std::string(kRoot) + text;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const bool good = !text.empty() && path.find_first_not_of(kCharacters) == std::string::npos && good_parts(path);
  if (good && path.size() > 1 && path.size() <= kLongest) return path;
  return fail(ErrorKind::input, EINVAL,
              fmt::format("'{}' is no path of a pin (letters, digits, '.', '_', '-' and '/'; no part begins with '.'; "
                          "at most {} characters)",
                          text, kLongest));
}

std::string object_name(const std::string& path) { return path.starts_with(kRoot) ? path.substr(kRoot.size()) : path; }

Result<> check_free(const Registry& registry, const std::string& path) {
  if (pin_at(registry, path) == nullptr) return {};
  return fail(ErrorKind::input, EEXIST, fmt::format("something is pinned at {} already", path));
}

Result<> add_pin(Registry& registry, Pin pin) {
  if (auto free = check_free(registry, pin.path); !free) return free;
  registry.pins.push_back(std::move(pin));
  return {};
}

Result<std::uint32_t> pinned_id(const Registry& registry, PinKind kind, const std::string& path) {
  const Pin* pin = pin_at(registry, path);
  if (pin == nullptr) return fail(ErrorKind::input, ENOENT, fmt::format("nothing is pinned at {}", path));
  if (pin->kind == kind) return pin->id;
  return fail(ErrorKind::input, EINVAL,
              fmt::format("{} is a pinned {}, a {} is wanted", path, word_of(pin->kind), word_of(kind)));
}

std::vector<std::string> paths_of(const Registry& registry, PinKind kind, std::uint32_t id) {
  std::vector<std::string> out;
  for (const Pin& pin : registry.pins) {
    if (pin.kind == kind && pin.id == id) out.push_back(pin.path);
  }
  return out;
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// Map: a descriptor and bpf(2)'s own operations on it, with sizes checked first, which the system call cannot do.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "api/guarded.h"
#include "api/state.h"
#include "isa/tables.h"
#include "syscall/commands.h"

namespace forager {
namespace {

// What errno means here, in the map's terms where the C library's would puzzle.
std::string reason(int error) {
  switch (error) {
    case ENOENT:
      return "no such key";
    case EEXIST:
      return "the key is there already";
    case E2BIG:
      return "the map is full, or the key is beyond its end";
    case syscall::kNotSupported:
    case EOPNOTSUPP:
      return "maps of this type do not do that";
    default:
      return std::strerror(error);
  }
}

std::unexpected<Diagnostic> failed(const std::string& map, const char* what, int error) {
  return fail(ErrorKind::system, error, fmt::format("map {}: {}: {}", map, what, reason(error)));
}

Result<> done(const std::string& map, const char* what, int status) {
  if (status != 0) return failed(map, what, -status);
  return {};
}

Result<> check_size(const std::string& map, const char* part, std::size_t given, std::size_t wanted) {
  if (given == wanted) return {};
  return fail(ErrorKind::input, EINVAL, fmt::format("map {}: a {} of {} bytes, {} wanted", map, part, given, wanted));
}

}  // namespace

const std::string& Map::name() const { return state_->name; }
std::uint32_t Map::id() const { return state_->object->id; }
std::uint32_t Map::key_size() const { return state_->object->spec().key_size; }
std::uint32_t Map::value_size() const { return state_->object->spec().value_size; }
std::size_t Map::host_value_size() const { return state_->host_value_size; }
std::uint32_t Map::max_entries() const { return state_->object->spec().max_entries; }

std::string_view Map::type() const {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(state_->object->spec().type));
  return row != nullptr ? row->name : "unknown";
}

Result<Bytes> Map::lookup(std::span<const std::byte> key) const {
  return api::guarded([&]() -> Result<Bytes> {
    if (auto fits = check_size(name(), "key", key.size(), key_size()); !fits) return std::unexpected(fits.error());
    Bytes value(state_->host_value_size);
    const int status = ::bpf_map_lookup_elem(state_->fd, key.data(), value.data());
    if (status != 0) return failed(name(), "lookup", -status);
    return value;
  });
}

Result<> Map::update(std::span<const std::byte> key, std::span<const std::byte> value, std::uint64_t flags) const {
  return api::guarded([&]() -> Result<> {
    if (auto fits = check_size(name(), "key", key.size(), key_size()); !fits) return fits;
    if (auto fits = check_size(name(), "value", value.size(), state_->host_value_size); !fits) return fits;
    return done(name(), "update", ::bpf_map_update_elem(state_->fd, key.data(), value.data(), flags));
  });
}

Result<> Map::erase(std::span<const std::byte> key) const {
  return api::guarded([&]() -> Result<> {
    if (auto fits = check_size(name(), "key", key.size(), key_size()); !fits) return fits;
    return done(name(), "delete", ::bpf_map_delete_elem(state_->fd, key.data()));
  });
}

Result<std::vector<Bytes>> Map::keys() const {
  return api::guarded([&]() -> Result<std::vector<Bytes>> {
    std::vector<Bytes> keys;
    Bytes next(key_size());
    int status = ::bpf_map_get_next_key(state_->fd, nullptr, next.data());
    while (status == 0) {
      keys.push_back(next);
      status = ::bpf_map_get_next_key(state_->fd, keys.back().data(), next.data());
    }
    if (status != -ENOENT) return failed(name(), "next key", -status);
    return keys;
  });
}

}  // namespace forager

// SPDX-License-Identifier: Apache-2.0
#include "maps/owner_values.h"

#include <algorithm>
#include <cerrno>
#include <tuple>

namespace forager::maps {

Result<> OwnerValues::open(std::uint64_t bytes, std::uint64_t most) {
  bytes_ = round_up_words(bytes);
  capacity_ = std::clamp<std::uint64_t>(most / bytes_, 1, kMaxOwners);
  return table_.open({.key_size = sizeof(std::uint64_t),
                      .value_size = static_cast<std::uint32_t>(bytes_),
                      .max_entries = static_cast<std::uint32_t>(capacity_)});
}

std::byte* OwnerValues::find_or_make(const exec::StorageOwner& owner, const void* initial) {
  if (std::byte* value = find(owner.cookie)) return value;
  const std::lock_guard guard(mutex_);
  if (owners_.size() >= std::min<std::size_t>(sweep_at_, capacity_)) sweep();
  if (owner.alive.expired()) return nullptr;
  auto entry = table_.lock(&owner.cookie);
  if (entry.node() != 0) return table_.value(entry.node());
  const NodeId node = table_.take(entry.near());
  if (node == 0) return nullptr;
  if (initial == nullptr) clear(table_.value(node), bytes_);
  entry.insert(node, initial);
  owners_.insert_or_assign(owner.cookie, owner.alive);
  return table_.value(node);
}

int OwnerValues::erase(std::uint64_t cookie) {
  const std::lock_guard guard(mutex_);
  owners_.erase(cookie);
  return table_.erase(&cookie);
}

std::uint64_t OwnerValues::next(std::uint64_t cookie) const {
  const std::lock_guard guard(mutex_);
  const auto living = [](const auto& owner) { return !owner.second.expired(); };
  const auto at = std::find_if(owners_.upper_bound(cookie), owners_.end(), living);
  return at == owners_.end() ? 0 : at->first;
}

void OwnerValues::sweep() {
  std::erase_if(owners_, [this](const auto& owner) {
    if (!owner.second.expired()) return false;
    std::ignore = table_.erase(&owner.first);
    return true;
  });
  sweep_at_ = std::max(kFirstSweep, 2 * owners_.size());
}

exec::MapUsage OwnerValues::usage() {
  const std::lock_guard guard(mutex_);
  sweep();
  constexpr std::uint64_t kOwnerBytes = sizeof(Owners::value_type) + 4 * sizeof(void*);
  return {owners_.size(), table_.bytes() + owners_.size() * kOwnerBytes};
}

}  // namespace forager::maps

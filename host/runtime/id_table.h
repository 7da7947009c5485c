// SPDX-License-Identifier: Apache-2.0
//
// IdTable: the ids of one kind of object. Ids start at 1, grow, and are never given twice in the life of a table, so a
// stale id names nothing. The table does not keep its objects alive: an object is listed as long as a descriptor, a
// program or a link holds it.
//
// Invariant: safe from any thread; no object is destroyed under the table's lock.
//
// Tested by: tests/unit/runtime_objects_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace forager::runtime {

template <class T>
class IdTable {
 public:
  // An object made by T(id, arguments...) under the next id.
  template <class... Arguments>
  std::shared_ptr<T> make(Arguments&&... arguments) {
    const std::lock_guard guard(mutex_);
    if (objects_.size() >= purge_at_) purge();
    const std::uint32_t id = ++last_;
    auto object = std::make_shared<T>(id, std::forward<Arguments>(arguments)...);
    objects_.emplace(id, object);
    return object;
  }

  // Null if the id was never given or its object is gone.
  [[nodiscard]] std::shared_ptr<T> find(std::uint32_t id) const {
    const std::lock_guard guard(mutex_);
    const auto at = objects_.find(id);
    return at == objects_.end() ? nullptr : at->second.lock();
  }

  // The least id above `id` of an object that lives.
  [[nodiscard]] std::optional<std::uint32_t> next(std::uint32_t id) const {
    const std::lock_guard guard(mutex_);
    for (auto at = objects_.upper_bound(id); at != objects_.end(); ++at) {
      if (!at->second.expired()) return at->first;
    }
    return std::nullopt;
  }

 private:
  // Dead entries are swept when the table has doubled, so that churn costs constant time and memory per object.
  void purge() {
    std::erase_if(objects_, [](const auto& entry) { return entry.second.expired(); });
    purge_at_ = 2 * objects_.size() + kLeastPurge;
  }

  static constexpr std::size_t kLeastPurge = 64;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::weak_ptr<T>> objects_;
  std::uint32_t last_ = 0;
  std::size_t purge_at_ = kLeastPurge;
};

}  // namespace forager::runtime

// SPDX-License-Identifier: Apache-2.0
//
// MapPin: a map for the time of one element command, and what its descriptor allows. It keeps the map by this thread's
// pin or, where there is none to be had, by a reference.
//
// Tested by: tests/unit/syscall_fd_table_test.cc.
#pragma once

#include <fcntl.h>

#include <memory>
#include <utility>

#include "runtime/map_object.h"
#include "syscall/pins.h"

namespace forager::syscall {

class MapPin {
 public:
  // access: O_RDONLY, O_WRONLY or O_RDWR.
  MapPin(PinWord& pin, runtime::MapObject& map, int access) : pin_(&pin), map_(&map), access_(access) {}
  MapPin(std::shared_ptr<runtime::MapUser> user, int access)
      : user_(std::move(user)), map_(user_->object().get()), access_(access) {}
  MapPin(MapPin&& other) noexcept
      : pin_(std::exchange(other.pin_, nullptr)),
        user_(std::move(other.user_)),
        map_(other.map_),
        access_(other.access_) {}
  MapPin& operator=(MapPin&&) = delete;
  ~MapPin() {
    if (pin_ != nullptr) pin_->store(nullptr, std::memory_order_release);
  }

  [[nodiscard]] runtime::MapObject& operator*() const { return *map_; }
  [[nodiscard]] runtime::MapObject* operator->() const { return map_; }
  [[nodiscard]] bool may_read() const { return access_ != O_WRONLY; }
  [[nodiscard]] bool may_write() const { return access_ != O_RDONLY; }

 private:
  PinWord* pin_ = nullptr;
  std::shared_ptr<runtime::MapUser> user_;
  runtime::MapObject* map_;
  int access_;
};

}  // namespace forager::syscall

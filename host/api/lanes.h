// SPDX-License-Identifier: Apache-2.0
//
// Lanes: which CPU's slot of per-CPU maps a device works on.
//
// A program owns its CPU's slot while it runs, and updates it without atomics; so no two devices may run on one lane at
// the same time. Each device gets the lane with the fewest devices, which is one of its own as long as there are CPUs;
// devices that share a lane take turns. The first device of a process always gets lane 0.
//
// Tested by: tests/unit/api_device_test.cc.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace forager::api {

class Lanes {
 public:
  explicit Lanes(unsigned count) : users_(count), turns_(std::make_unique<std::mutex[]>(count)) {}

  // A device's hold on its lane.
  class Lane {
   public:
    Lane(Lanes& lanes, unsigned number) : lanes_(&lanes), number_(number) {}
    ~Lane() { lanes_->release(number_); }
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    [[nodiscard]] unsigned number() const { return number_; }
    // To be held while the device runs.
    [[nodiscard]] std::unique_lock<std::mutex> turn() const { return std::unique_lock(lanes_->turns_[number_]); }

   private:
    Lanes* lanes_;
    unsigned number_;
  };

  [[nodiscard]] std::unique_ptr<Lane> take();

 private:
  void release(unsigned number);

  std::mutex mutex_;
  std::vector<unsigned> users_;  // devices of each lane
  std::unique_ptr<std::mutex[]> turns_;
};

// Of this process, as many as it has possible CPUs.
[[nodiscard]] Lanes& lanes();

}  // namespace forager::api

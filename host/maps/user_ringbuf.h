// SPDX-License-Identifier: Apache-2.0
//
// USER_RINGBUF: one queue of samples from a producer in user space to programs, which drain it (kernel/bpf/ringbuf.c
// bpf_user_ringbuf_drain). Memory as in ring_map.h; user space writes the producer page and the data, and reads how far
// programs came.
//
// Everything that user space writes is hostile. A sample is handed over only if it ends before the producer position
// and inside the data, as Linux checks it; its bytes may change while a program looks at them. How far was drained is
// known here, and only shown in the consumer page.
//
// Polling it asks for room (EPOLLOUT). The eventfd that stands for it is always writable but while its count is at the
// end: full() means that, and a drain that wakes takes the count back.
//
// Tested by: tests/unit/maps_user_ringbuf_test.cc, maps_values_concurrency_test.cc, tests/e2e/user_ring.c.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "exec/map.h"
#include "maps/ring_map.h"

namespace forager::maps {

class UserRingBufferMap final : public RingMap, public exec::RingConsumer {
 public:
  using Take = std::function<bool(std::span<std::byte>)>;

  [[nodiscard]] static Result<std::shared_ptr<exec::Map>> make(exec::MapSpec spec);

  std::int64_t drain(const Take& take, std::uint64_t flags) override;

  [[nodiscard]] bool ready() const override;
  void settle() const override;

 private:
  // The next sample, or why there is none: -ENODATA, -EAGAIN (a discarded one was skipped), -EINVAL, -E2BIG.
  struct Sample {
    int error = 0;
    std::span<std::byte> bytes;
  };
  struct Drained {
    std::int64_t seen = 0;    // samples, discarded ones included
    std::int64_t result = 0;  // what the helper returns
  };

  UserRingBufferMap(exec::MapSpec spec, Parts parts);

  [[nodiscard]] Drained drain_samples(const Take& take);
  [[nodiscard]] Sample peek();
  void advance(std::uint64_t bytes);

  std::atomic<bool> busy_{false};
  std::uint64_t consumed_ = 0;  // whoever set busy_ may touch it
};

}  // namespace forager::maps

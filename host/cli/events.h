// SPDX-License-Identifier: Apache-2.0
//
// Event readers: what programs send through RINGBUF and PERF_EVENT_ARRAY maps, taken by libbpf's own consumers exactly
// as a user's program would.
//
// Tested by: tests/golden (the sampler programs).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/map_io.h"
#include "forager/result.h"

struct perf_buffer;
struct ring_buffer;

namespace forager::cli {

struct EventLog {
  std::uint64_t records = 0;
  std::uint64_t lost = 0;
  std::vector<std::string> first;  // bytes of the first records
};

class EventReaders {
 public:
  // A reader for every event map among `maps`. Errors: system.
  [[nodiscard]] static Result<std::unique_ptr<EventReaders>> open(const std::vector<MapHandle>& maps);

  // Takes everything that waits.
  void drain();
  // Whether no map is an event map.
  [[nodiscard]] bool empty() const { return readers_.empty(); }
  // The log of a map, or nullptr if it is no event map.
  [[nodiscard]] const EventLog* log(const std::string& map) const;

 private:
  struct Free {
    void operator()(ring_buffer* ring) const;
    void operator()(perf_buffer* perf) const;
  };
  struct Reader {
    EventLog log;
    std::unique_ptr<ring_buffer, Free> ring;
    std::unique_ptr<perf_buffer, Free> perf;
  };
  std::map<std::string, Reader> readers_;  // nodes stay in place: libbpf keeps pointers to the logs
};

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/events.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "isa/tables.h"

namespace forager::cli {
namespace {

constexpr std::size_t kKeptRecords = 100;
constexpr std::size_t kPerfPages = 64;

void keep(EventLog& log, const void* data, std::size_t size) {
  ++log.records;
  if (log.first.size() < kKeptRecords) log.first.emplace_back(static_cast<const char*>(data), size);
}

int on_record(void* log, void* data, std::size_t size) {
  keep(*static_cast<EventLog*>(log), data, size);
  return 0;
}

void on_sample(void* log, int /*cpu*/, void* data, std::uint32_t size) {
  keep(*static_cast<EventLog*>(log), data, size);
}

void on_lost(void* log, int /*cpu*/, __u64 count) { static_cast<EventLog*>(log)->lost += count; }

bool is_type(const MapHandle& map, isa::MapType type) { return map.type == static_cast<std::uint32_t>(type); }

}  // namespace

void EventReaders::Free::operator()(ring_buffer* ring) const { ::ring_buffer__free(ring); }
void EventReaders::Free::operator()(perf_buffer* perf) const { ::perf_buffer__free(perf); }

Result<std::unique_ptr<EventReaders>> EventReaders::open(const std::vector<MapHandle>& maps) {
  auto out = std::make_unique<EventReaders>();
  for (const MapHandle& map : maps) {
    const bool ring = is_type(map, isa::MapType::ringbuf), perf = is_type(map, isa::MapType::perf_event_array);
    if (!ring && !perf) continue;
    Reader& reader = out->readers_[map.name];
    if (ring) reader.ring.reset(::ring_buffer__new(map.fd, on_record, &reader.log, nullptr));
    if (perf) reader.perf.reset(::perf_buffer__new(map.fd, kPerfPages, on_sample, on_lost, &reader.log, nullptr));
    if (reader.ring || reader.perf) continue;
    return fail(ErrorKind::system, errno, fmt::format("map {}: no event reader: {}", map.name, std::strerror(errno)));
  }
  return out;
}

void EventReaders::drain() {
  for (auto& [name, reader] : readers_) {
    if (reader.ring) ::ring_buffer__consume(reader.ring.get());
    if (reader.perf) ::perf_buffer__consume(reader.perf.get());
  }
}

const EventLog* EventReaders::log(const std::string& map) const {
  const auto found = readers_.find(map);
  return found == readers_.end() ? nullptr : &found->second.log;
}

}  // namespace forager::cli

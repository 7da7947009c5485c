// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/runtime.h"

#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "exec/skb.h"
#include "jit-backends/common/invocation.h"

namespace forager::jit {

void refresh(Cells* cells) { cells->owner->refresh(); }

const void* tail_call_target(Cells* cells, std::uint64_t, exec::Map* map, std::uint64_t index) {
  return cells->owner->tail_call(*map, index);
}

std::uint64_t load_packet(Cells* cells, std::uint64_t index, std::uint64_t bytes) {
  const auto loaded =
      exec::load_packet(*cells->frame, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(bytes));
  return loaded.value_or(~std::uint64_t{0});
}

void settle_store(Cells* cells, std::uint64_t offset) {
  if (cells->frame->skb != nullptr) exec::settle_skb_store(*cells->frame, offset);
}

std::uint64_t look_up(exec::RunContext* run, exec::Map* map, std::uint64_t key) {
  const auto helper = run->environment->helpers[static_cast<std::size_t>(exec::HelperId::map_lookup_elem)];
  const std::uint64_t found = helper(*run, reinterpret_cast<std::uint64_t>(map), key, 0, 0, 0);
  if (found == 0 || map->abilities().sockets == nullptr) return found;
  return reinterpret_cast<std::uint64_t>(reinterpret_cast<exec::Socket*>(found)->view.data());
}

void* look_up_any(void* map, const void* key, unsigned cpu) { return static_cast<exec::Map*>(map)->lookup(key, cpu); }

const void* address_of(Service service) {
  switch (service) {
    case Service::refresh:
      return reinterpret_cast<const void*>(&refresh);
    case Service::tail_call:
      return reinterpret_cast<const void*>(&tail_call_target);
    case Service::load_packet:
      return reinterpret_cast<const void*>(&load_packet);
    case Service::settle_store:
      return reinterpret_cast<const void*>(&settle_store);
    case Service::look_up:
      return reinterpret_cast<const void*>(&look_up);
  }
  return nullptr;
}

}  // namespace forager::jit

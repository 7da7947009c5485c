// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/tables_there.h"

#include <algorithm>

#include "exec/random.h"

namespace forager::jit::opencl {
namespace {

// A lookup makes an entry of an LRU map younger.
bool changes(verifier::MapUse use, const Table& table) {
  return use == verifier::MapUse::commutative || use == verifier::MapUse::read_write || table.lru;
}

}  // namespace

Result<> TablesThere::open(const Driver& driver, const Group& group, const exec::DeviceOptions& options, unsigned lanes,
                           unsigned table_lanes) {
  lanes_ = lanes;
  table_lanes_ = table_lanes;
  mirrors_.clear();
  at_.clear();
  changes_.clear();
  bytes_ = 0;
  kinds_ = group.tables;
  kinds_.resize(group.maps.size());
  for (std::size_t i = 0; i < group.maps.size(); ++i) {
    const GroupMap& map = group.maps[i];
    const Table& table = kinds_[i];
    const bool changed = changes(map.use, table);
    const MirrorUse use{.cpu = options.cpu,
                        .lanes = table_lanes,
                        .shared = shared_,
                        .changed = changed,
                        .strict = lanes == 1,
                        .merge = map.merge,
                        .programs = map.programs,
                        .inner = map.inner};
    add(map.map == nullptr ? nullptr : make_mirror(table, *map.map, use), changed);
  }
  const bool prints = group.calls(exec::HelperId::trace_printk);
  add(prints ? make_trace_mirror(*options.environment, options.cpu, lanes) : nullptr, prints);
  add(group.calls(exec::HelperId::fib_lookup) ? make_fib_mirror(options.environment->fib) : nullptr, false);
  Result<> done = state_.reserve(driver, state_bytes());
  if (done) done = tables_.reserve(driver, std::max<std::size_t>(bytes_, 64));
  return done ? put_places(driver) : done;
}

void TablesThere::add(std::unique_ptr<Mirror> mirror, bool changes) {
  at_.push_back(bytes_);
  changes_.push_back(changes);
  if (mirror != nullptr) bytes_ += mirror->bytes();
  mirrors_.push_back(std::move(mirror));
}

bool TablesThere::fits() const {
  return std::ranges::all_of(mirrors_, [](const auto& mirror) { return mirror == nullptr || mirror->fits(); });
}

std::uint64_t TablesThere::address_of(std::size_t mirror) const {
  return mirrors_[mirror] == nullptr ? 0 : tables_.address() + at_[mirror];
}

std::size_t TablesThere::descriptors_at() const {
  return places_at() + in_lines(mirrors_.size() * table_lanes_ * sizeof(std::uint64_t));
}
std::size_t TablesThere::state_bytes() const {
  return descriptors_at() + std::max<std::size_t>(kinds_.size(), 1) * sizeof(MapDescriptor);
}

MapDescriptor TablesThere::describe(std::size_t map) const {
  const Table& table = kinds_[map];
  if (mirrors_[map] == nullptr || (table.kind != TableKind::array && table.kind != TableKind::hash)) return {};
  const std::uint64_t at = tables_.address() + at_[map], place = mirrors_[map]->place(at, 0);
  const bool lanes = table.per_cpu && table_lanes_ > 1;
  return {.place = place,
          .lane_stride = lanes ? mirrors_[map]->place(at, 1) - place : 0,
          .kind = table.kind == TableKind::array ? kArrayKind : kHashKind,
          .key_size = table.key_size,
          .value_size = table.value_size,
          .stride = static_cast<std::uint32_t>(table.stride()),
          .entries = table.entries,
          .mask = table.mask,
          .nodes = table.nodes,
          .flags = (table.lru ? kLruFlag : 0) | (table.per_cpu ? kPerCpuFlag : 0)};
}

template <class Do>
Result<> TablesThere::with_tables(const Driver& driver, Do action) {
  if (bytes_ == 0) return {};
  auto memory = tables_.map(driver, CL_MAP_READ | CL_MAP_WRITE, bytes_);
  if (!memory) return std::unexpected(std::move(memory.error()));
  for (std::size_t i = 0; i < mirrors_.size(); ++i) {
    if (mirrors_[i] != nullptr) action(i, memory->subspan(at_[i], mirrors_[i]->bytes()));
  }
  return tables_.unmap(driver);
}

Result<> TablesThere::put(const Driver& driver, BatchRecord& batch) {
  batch.control = state_.address();
  batch.random = state_.address() + random_at();
  batch.places = state_.address() + places_at();
  batch.descriptors = state_.address() + descriptors_at();
  batch.trace = address_of(kinds_.size());
  batch.fib = address_of(kinds_.size() + 1);
  batch.trace_bytes = static_cast<std::uint32_t>(trace_bytes_of(lanes_));
  batch.place_stride = table_lanes_ > 1 ? static_cast<std::uint32_t>(mirrors_.size()) : 0;
  Result<> done = with_tables(
      driver, [&](std::size_t i, std::span<std::byte> table) { mirrors_[i]->put(table, tables_.address() + at_[i]); });
  return done ? let_go(driver) : done;
}

// Of what stopped packets.
Result<> TablesThere::let_go(const Driver& driver) {
  auto state = state_.map(driver, CL_MAP_READ | CL_MAP_WRITE, state_bytes());
  if (!state) return std::unexpected(std::move(state.error()));
  put_value(*state, 0, Control{});
  return state_.unmap(driver);
}

Result<> TablesThere::put_places(const Driver& driver) {
  auto state = state_.map(driver, CL_MAP_READ | CL_MAP_WRITE, state_bytes());
  if (!state) return std::unexpected(std::move(state.error()));
  std::size_t at = places_at();
  for (unsigned lane = 0; lane < table_lanes_; ++lane) {
    for (std::size_t i = 0; i < mirrors_.size(); ++i, at += sizeof(std::uint64_t)) {
      const std::uint64_t first = tables_.address() + at_[i];
      put_value(*state, at, mirrors_[i] == nullptr ? 0 : mirrors_[i]->place(first, lane));
    }
  }
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    put_value(*state, descriptors_at() + i * sizeof(MapDescriptor), describe(i));
  }
  return state_.unmap(driver);
}

Result<> TablesThere::take(const Driver& driver) {
  if (std::ranges::none_of(changes_, [](bool changed) { return changed; })) return {};
  return with_tables(driver, [&](std::size_t i, std::span<std::byte> table) {
    if (changes_[i]) mirrors_[i]->take(table);
  });
}

Result<> TablesThere::seed(const Driver& driver, std::uint64_t state) {
  auto memory = state_.map(driver, CL_MAP_READ | CL_MAP_WRITE, state_bytes());
  if (!memory) return std::unexpected(std::move(memory.error()));
  for (unsigned lane = 0; lane < lanes_; ++lane) {
    put_value(*memory, random_at() + lane * sizeof state, state);
    std::ignore = exec::next_random(state);
    state = ~state;
  }
  return state_.unmap(driver);
}

Result<std::uint64_t> TablesThere::seed_now(const Driver& driver) {
  auto memory = state_.map(driver, CL_MAP_READ, state_bytes());
  if (!memory) return std::unexpected(std::move(memory.error()));
  const auto state = value_at<std::uint64_t>(*memory, random_at());
  if (auto done = state_.unmap(driver); !done) return std::unexpected(std::move(done.error()));
  return state;
}

}  // namespace forager::jit::opencl

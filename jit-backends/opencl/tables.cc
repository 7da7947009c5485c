// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/tables.h"

#include <algorithm>

#include "jit-backends/opencl/batch.h"

namespace forager::jit::opencl {
namespace {

using isa::MapType;

constexpr std::uint32_t kMostIndexBits = 16;                   // of an LPM_TRIE
constexpr std::uint32_t kLeastSpare = 256, kMostSpare = 4096;  // nodes besides the entries'

struct Shape {
  MapType type;
  TableKind kind;
  bool per_cpu = false, lru = false, newest = false;
};
constexpr Shape kShapes[] = {
    {MapType::array, TableKind::array},
    {MapType::percpu_array, TableKind::array, true},
    {MapType::hash, TableKind::hash},
    {MapType::lru_hash, TableKind::hash, false, true},
    {MapType::percpu_hash, TableKind::hash, true},
    {MapType::lru_percpu_hash, TableKind::hash, true, true},
    {MapType::devmap, TableKind::ports},
    {MapType::cpumap, TableKind::ports},
    {MapType::xskmap, TableKind::ports},
    {MapType::devmap_hash, TableKind::port_keys},
    {MapType::prog_array, TableKind::programs},
    {MapType::array_of_maps, TableKind::inner_array},
    {MapType::hash_of_maps, TableKind::inner_hash},
    {MapType::lpm_trie, TableKind::lpm},
    {MapType::queue, TableKind::list},
    {MapType::stack, TableKind::list, false, false, true},
    {MapType::bloom_filter, TableKind::bloom},
    {MapType::ringbuf, TableKind::ring},
    {MapType::perf_event_array, TableKind::perf, true},  // a lane writes what a CPU would
};

std::uint64_t plain_bytes(const Table& table, unsigned lanes) {
  switch (table.kind) {
    case TableKind::none:
      return 0;
    case TableKind::array:
      return table.entries * table.stride() * (table.per_cpu ? lanes : 1);
    case TableKind::inner_array:
      return std::uint64_t{table.entries} * 8;
    case TableKind::hash:
    case TableKind::inner_hash:
      return table.node_at(table.nodes + 1, lanes);
    case TableKind::ports:
    case TableKind::programs:
      return std::uint64_t{table.entries} * 4;
    case TableKind::port_keys:
      return (2 * std::uint64_t{table.entries} + 1) * 4;
    case TableKind::lpm:
      return table.prefixes_at() + table.entries * table.prefix_bytes();
    case TableKind::list:
      return Table::kHeader + table.entries * table.stride();
    case TableKind::bloom:
      return Table::kHeader;
    case TableKind::ring:
      return Table::kHeader + table.entries;
    case TableKind::perf:
      return (table.perf_log_at() + Table::kPerfLogBytes) * lanes;
  }
  return 0;
}

}  // namespace

std::uint64_t Table::bytes(unsigned lanes) const { return in_lines(plain_bytes(*this, lanes)); }

bool has_table(MapType type) { return std::ranges::find(kShapes, type, &Shape::type) != std::end(kShapes); }

std::optional<Table> table_of(const program::MapSpec& spec) {
  const auto* shape = std::ranges::find(kShapes, spec.type, &Shape::type);
  if (shape == std::end(kShapes) || spec.max_entries > kMostEntries) return std::nullopt;
  Table table{.kind = shape->kind,
              .per_cpu = shape->per_cpu,
              .lru = shape->lru,
              .newest = shape->newest,
              .key_size = spec.key_size,
              .value_size = spec.value_size,
              .entries = spec.max_entries};
  if (table.kind == TableKind::inner_hash) table.value_size = 8;
  if (table.is_hash()) {
    table.nodes = spec.max_entries + std::clamp(spec.max_entries / 8, kLeastSpare, kMostSpare);
    table.mask = std::bit_ceil(2 * table.nodes) - 1;
  }
  if (table.kind == TableKind::lpm) {
    const auto entry_bits = static_cast<std::uint32_t>(std::bit_width(spec.max_entries));
    table.index_bits = std::min({kMostIndexBits, entry_bits, 8 * (spec.key_size - 4)});
  }
  return table;
}

std::vector<Table> tables_of(const verifier::VerifiedProgram& program) {
  const auto maps = program.program().maps();
  const auto instructions = program.program().instructions();
  std::vector<Table> tables(maps.size());
  for (std::size_t at = 0; at < instructions.size(); ++at) {
    const isa::Op op = instructions[at].op;
    if (!program.facts()[at].reachable || (op != isa::Op::lddw_map_idx && op != isa::Op::lddw_map_idx_value)) continue;
    const std::uint32_t map = program::map_index(instructions[at]);
    tables[map] = table_of(maps[map]).value_or(Table{});
  }
  return tables;
}

}  // namespace forager::jit::opencl

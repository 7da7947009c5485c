// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/tables.h"

namespace forager::jit::opencl {
namespace {

using isa::MapType;

constexpr std::uint64_t kAlignment = 64;

std::uint64_t bytes_of(const Table& table) {
  switch (table.kind) {
    case TableKind::none:
      return 0;
    case TableKind::array:
      return table.entries * table.stride();
    case TableKind::hash:
      return table.node_at(table.entries + 2);
    case TableKind::ports:
      return std::uint64_t{table.entries} * 4;
    case TableKind::port_keys:
      return (std::uint64_t{table.entries} + 1) * 4;
  }
  return 0;
}

TableKind kind_of(MapType type) {
  switch (type) {
    case MapType::array:
    case MapType::percpu_array:
      return TableKind::array;
    case MapType::hash:
    case MapType::percpu_hash:
      return TableKind::hash;
    case MapType::devmap:
    case MapType::cpumap:
    case MapType::xskmap:
      return TableKind::ports;
    case MapType::devmap_hash:
      return TableKind::port_keys;
    default:
      return TableKind::none;
  }
}

}  // namespace

std::optional<Table> table_of(const program::MapSpec& spec) {
  Table table{.kind = kind_of(spec.type),
              .per_cpu = spec.type == MapType::percpu_array,
              .in_place = spec.type == MapType::percpu_hash,
              .key_size = spec.key_size,
              .value_size = spec.value_size,
              .entries = spec.max_entries};
  if (table.kind == TableKind::none || spec.max_entries > (1U << 30)) return std::nullopt;
  if (table.kind == TableKind::hash) table.mask = std::bit_ceil(2 * spec.max_entries) - 1;
  table.bytes = (bytes_of(table) + kAlignment - 1) / kAlignment * kAlignment;
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

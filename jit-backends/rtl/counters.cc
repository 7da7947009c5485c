// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace forager::jit::rtl {
namespace {

struct Row {
  CoreRegister which;
  std::string_view name;
};
constexpr Row kShareRows[] = {
    {CoreRegister::Cycles, "cycles"},        {CoreRegister::Issued, "issued"},
    {CoreRegister::StallTurn, "stall_turn"}, {CoreRegister::StallUnit, "stall_unit"},
    {CoreRegister::StallHost, "stall_host"}, {CoreRegister::Idle, "idle"},
    {CoreRegister::SlotsUsed, "slots_used"},
};
constexpr Row kOtherRows[] = {
    {CoreRegister::Replays, "replays"}, {CoreRegister::Oversize, "oversize"}, {CoreRegister::Malformed, "malformed"}};
constexpr std::string_view kVerdictNames[] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT", "other"};
constexpr std::pair<CoreCause, std::string_view> kCauseNames[] = {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(name, encoding) {CoreCause::name, #name},
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
};

Result<> read_into(sim::Board& board, std::uint32_t offset, std::uint64_t& to) {
  const auto low = board.read(offset), high = board.read(offset + 4);
  if (!low || !high) return std::unexpected((!low ? low : high).error());
  to = *low | std::uint64_t{*high} << 32;
  return {};
}

// A counter begins anew behind its last bit.
template <class Bits, class Array>
void add_difference(Array& sum, const Array& before, const Array& after) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<Bits>(after[i] - before[i]);
}

}  // namespace

Result<DeviceCounters::Values> DeviceCounters::read(sim::Board& board) {
  Values values;
  Result<> done;
  for (std::size_t i = 0; done && i < kShares; ++i)
    done = read_into(board, offset_of(kShareRows[i].which), values.shares[i]);
  for (std::uint32_t i = 0; done && i < kVerdicts; ++i) {
    done = read_into(board, offset_of(CoreRegister::VerdictPackets) + 8 * i, values.packets[i]);
    if (done) done = read_into(board, offset_of(CoreRegister::VerdictBytes) + 8 * i, values.bytes[i]);
  }
  const auto put = [&](std::uint32_t offset, std::uint64_t& to) {
    const auto value = board.read(offset);
    if (!value) done = std::unexpected(value.error());
    to = value.value_or(0);
  };
  for (std::size_t i = 0; done && i < kOthers; ++i) put(offset_of(kOtherRows[i].which), values.others[i]);
  for (std::uint32_t i = 0; done && i < kCauses; ++i) put(offset_of(CoreRegister::Ended) + 4 * i, values.causes[i]);
  if (!done) return std::unexpected(done.error());
  return values;
}

Result<> DeviceCounters::begin(sim::Board& board) {
  auto now = read(board);
  if (!now) return std::unexpected(now.error());
  before_ = *now;
  return {};
}

Result<> DeviceCounters::end(sim::Board& board) {
  const auto now = read(board);
  if (!now) return std::unexpected(now.error());
  add_difference<std::uint64_t>(sum_.shares, before_.shares, now->shares);
  add_difference<std::uint32_t>(sum_.others, before_.others, now->others);
  add_difference<std::uint64_t>(sum_.packets, before_.packets, now->packets);
  add_difference<std::uint64_t>(sum_.bytes, before_.bytes, now->bytes);
  add_difference<std::uint32_t>(sum_.causes, before_.causes, now->causes);
  return {};
}

std::vector<exec::Metric> DeviceCounters::metrics() const {
  std::vector<exec::Metric> made;
  const auto put = [&](std::string name, std::uint64_t value, std::string_view unit) {
    if (value != 0) made.push_back({std::move(name), static_cast<double>(value), std::string(unit)});
  };
  const auto cycles = static_cast<double>(std::max<std::uint64_t>(sum_.shares[0], 1));
  for (std::size_t i = 1; i < kShares; ++i) {
    const bool slots = kShareRows[i].which == CoreRegister::SlotsUsed;
    made.push_back({std::string(kShareRows[i].name),
                    100 * static_cast<double>(sum_.shares[i]) / cycles / (slots ? 2 : 1),
                    slots ? "% of two a cycle" : "% of cycles"});
  }
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    put(fmt::format("packets_{}", kVerdictNames[i]), sum_.packets[i], "packets");
    put(fmt::format("bytes_{}", kVerdictNames[i]), sum_.bytes[i], "bytes");
  }
  for (std::size_t i = 0; i < kOthers; ++i) put(std::string(kOtherRows[i].name), sum_.others[i], "");
  for (const auto& [cause, name] : kCauseNames) {
    if (cause != CoreCause::None)
      put(fmt::format("stopped_{}", name), sum_.causes[static_cast<std::size_t>(cause)], "packets");
  }
  return made;
}

}  // namespace forager::jit::rtl

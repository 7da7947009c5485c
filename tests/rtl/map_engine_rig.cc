// SPDX-License-Identifier: Apache-2.0
#include "tests/rtl/map_engine_rig.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace forager::rtl {
namespace {

using jit::rtl::CoreRegister;
using sim::kRowBytes;

constexpr std::uint32_t kRowsOfDepth = 4, kRowsOfThread = kRowsOfDepth * kDepths;
constexpr std::uint32_t kBundles = 4096;

std::uint32_t scratch_row(unsigned thread, unsigned depth) {
  return kScratchRow + thread * kRowsOfThread + depth * kRowsOfDepth;
}

}  // namespace

MapEngine::MapEngine(std::uint64_t seed, Pace pace) : random_(seed), pace_(pace) {
  for (std::byte& byte : memory_) byte = static_cast<std::byte>(random_());
  engine_.reset();
}

// ---- the host ------------------------------------------------------------------------------------------------------

Result<std::uint32_t> MapEngine::read(std::uint32_t offset) {
  return offset == offset_of(CoreRegister::Bundles) ? kBundles : 0;
}

Result<> MapEngine::write(std::uint32_t offset, std::uint32_t value) {
  switch (static_cast<CoreRegister>(offset)) {
    case CoreRegister::MapRegion:
      engine_.region_i = value;
      break;
    case CoreRegister::MapSeed:
      engine_.seed_i = value;
      break;
    case CoreRegister::MapIndex:
      engine_.map_index_i = static_cast<std::uint16_t>(value % (kThreads * jit::rtl::kMapsInTable));
      break;
    case CoreRegister::MapRow:
      engine_.map_row_i = static_cast<std::uint16_t>(value);
      break;
    case CoreRegister::MapBytes:
      engine_.map_bytes_i = value;
      engine_.map_write_i = 1;
      engine_.ask_i = engine_.answer_ready_i = engine_.host_ready_i = engine_.host_done_i = engine_.row_grant_i = 0;
      engine_.tick();
      engine_.map_write_i = 0;
      break;
    default:
      break;
  }
  return {};
}

Result<> MapEngine::write_bundles(std::uint32_t, std::span<const sim::BundleWords>) { return {}; }

Result<> MapEngine::write_rows(std::uint32_t first, std::span<const std::byte> rows) {
  if (first + rows.size() / kRowBytes > kRows) return fail(ErrorKind::bug, EIO, "there are no such rows");
  std::ranges::copy(rows, row(first));
  return {};
}

Result<> MapEngine::read_rows(std::uint32_t first, std::span<std::byte> rows) {
  if (first + rows.size() / kRowBytes > kRows) return fail(ErrorKind::bug, EIO, "there are no such rows");
  std::copy_n(row(first), rows.size(), rows.begin());
  return {};
}

// ---- threads -------------------------------------------------------------------------------------------------------

void MapEngine::ask(unsigned thread, Operation operation) {
  const auto depth = static_cast<unsigned>(random_() % kDepths);
  std::byte* scratch = row(scratch_row(thread, depth));
  std::generate_n(scratch, kRowsOfDepth * kRowBytes, [&] { return static_cast<std::byte>(random_()); });
  std::ranges::copy(operation.image, scratch);
  asked_[thread] = {thread, static_cast<std::uint16_t>(random_()), depth, std::move(operation)};
  asking_.push_back(thread);
}

std::optional<Reply> MapEngine::cycle() {
  // A thread a cycle.
  engine_.begin_i = begins_ != 0;
  engine_.begin_thread_i = static_cast<std::uint8_t>(std::countr_zero(begins_ | 0x100U) & 7);
  begins_ &= begins_ - 1;
  engine_.answer_ready_i = chance(pace_.slow) ? 0 : 1;
  engine_.host_ready_i = chance(pace_.slow) ? 0 : 1;
  drive_request();
  drive_host();
  show_edges();
  auto reply = sample();
  use_memory();
  engine_.tick();
  keep_row();
  if (reply) {
    reply->found = engine_.found_o != 0;
    reply->row = engine_.found_row_o;
    reply->bytes = engine_.found_bytes_o;
  }
  return reply;
}

void MapEngine::drive_request() {
  engine_.ask_i = asking_.empty() || chance(pace_.gap) ? 0 : 1;
  if (engine_.ask_i == 0) return;
  const Asked& asked = asked_[asking_.front()];
  asking_.pop_front();
  const Operation& operation = asked.operation;
  engine_.ask_thread_i = static_cast<std::uint8_t>(asked.thread);
  engine_.ask_pc_i = asked.pc;
  engine_.ask_depth_i = static_cast<std::uint8_t>(asked.depth);
  engine_.ask_fn_i = static_cast<std::uint8_t>(operation.op) & 0xf;
  engine_.ask_with_i = operation.with;
  engine_.ask_a_i = operation.a;
  engine_.ask_b_i = operation.b;
  engine_.ask_other_i = operation.other;
}

// The host answers other requests too, of threads that the engine does not wait for.
void MapEngine::drive_host() {
  const bool answers = !done_.empty() && chance(10);
  engine_.host_done_i = answers || chance(5) ? 1 : 0;
  engine_.host_done_thread_i = static_cast<std::uint8_t>((engine_.answer_thread_o + 1) % kThreads);
  if (!answers) return;
  engine_.host_done_thread_i = static_cast<std::uint8_t>(done_.front());
  done_.pop_front();
  asleep_ = false;
}

void MapEngine::show_edges() {
  engine_.settle();
  Edges& edges = edges_[engine_.answer_thread_o];
  if (!edges.whole) edges.whole = chance(10);
  engine_.native_i = edges.native ? 1 : 0;
  engine_.whole_i = edges.whole ? 1 : 0;
  engine_.meta_i = edges.meta;
  engine_.data_i = edges.data;
  engine_.end_i = edges.end;
  engine_.lowest_i = edges.lowest;
  engine_.settle();
}

std::optional<Reply> MapEngine::sample() {
  const bool moves = engine_.host_o != 0 || engine_.answer_o != 0 || engine_.row_o != 0;
  if (asleep_ && moves) complain("it goes on before the host has answered");
  if (engine_.host_o != 0 && engine_.host_ready_i != 0) {
    check_request();
    asleep_ = true;
    Reply request{.thread = engine_.host_thread_o, .host = true};
    sample_redirect(request);
    return request;
  }
  const bool answers = engine_.answer_o != 0 && engine_.answer_ready_i != 0;
  if ((engine_.redirect_o != 0 || engine_.edge_o != 0) && !answers)
    complain("it says where a packet goes, or stands, unasked");
  if (!answers) return std::nullopt;
  Reply reply{.thread = engine_.answer_thread_o, .jump = engine_.answer_jump_o != 0, .value = engine_.answer_value_o};
  sample_redirect(reply);
  take_edges();
  return reply;
}

void MapEngine::sample_redirect(Reply& reply) {
  reply.redirects = engine_.redirect_o != 0;
  reply.redirect_kind = engine_.redirect_kind_o;
  reply.redirect_map = engine_.redirect_map_o;
  reply.redirect_value = engine_.redirect_value_o;
  if (reply.redirects && engine_.redirect_thread_o != reply.thread) complain("another thread's packet is redirected");
}

// As forager_slots keeps them.
void MapEngine::take_edges() {
  Edges& edges = edges_[engine_.answer_thread_o];
  const std::uint16_t to = engine_.edge_value_o;
  if ((engine_.edge_o & 1) != 0) edges.meta = to;
  if ((engine_.edge_o & 1) != 0) edges.lowest = std::min(edges.lowest, to);
  if ((engine_.edge_o & 2) != 0) edges.data = to;
  if ((engine_.edge_o & 4) != 0) edges.end = to;
}

void MapEngine::check_request() {
  const Asked& asked = asked_[engine_.host_thread_o];
  const Operation& operation = asked.operation;
  const bool same = engine_.host_pc_o == asked.pc && engine_.host_a_o == operation.a &&
                    engine_.host_b_o == operation.b && engine_.host_other_o == operation.other;
  if (!same) complain("the host is not given what the thread asked");
}

// ---- memory --------------------------------------------------------------------------------------------------------

// What was read stays until the port reads anew; should somebody else have it, that is theirs.
void MapEngine::use_memory() {
  const bool busy = chance(pace_.busy);
  engine_.row_grant_i = engine_.row_o != 0 && !busy ? 1 : 0;
  engine_.settle();
  if (busy) std::ranges::generate(read_, [&] { return static_cast<std::uint32_t>(random_()); });
  if (engine_.row_grant_i == 0) return;
  const std::uint32_t number = engine_.row_number_o;
  std::memcpy(read_.data(), row(number), kRowBytes);
  const std::uint64_t write = engine_.row_write_o;
  if (write != 0 && number >= kScratchRow && number < kTableRow) complain("it writes into the scratch");
  std::array<std::byte, kRowBytes> data{};
  std::memcpy(data.data(), &engine_.row_data_o[0], kRowBytes);
  for (unsigned i = 0; i < kRowBytes; ++i) {
    if ((write >> i & 1) != 0) row(number)[i] = data[i];
  }
}

void MapEngine::keep_row() { std::memcpy(&engine_.row_data_i[0], read_.data(), kRowBytes); }

void MapEngine::complain(const char* what) {
  if (complaint_.empty()) complaint_ = what;
}

}  // namespace forager::rtl

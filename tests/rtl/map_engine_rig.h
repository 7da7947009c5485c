// SPDX-License-Identifier: Apache-2.0
//
// The test's side of map_engine.sv: data memory whose port others have at times, threads that ask, the core that takes
// answers and the host's registers, none of which is always ready. To whoever fills tables for the device it is one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "Vmap_engine.h"
#include "jit-backends/rtl/isa/core_isa.h"
#include "sim/board/host_port.h"
#include "tests/rtl/clocked.h"

namespace forager::rtl {

using jit::rtl::CoreOp;
using Bytes = std::vector<std::byte>;

inline constexpr unsigned kThreads = 8, kDepths = 8;
// As map_engine.sv has them: buffers of 64 rows, then scratch, descriptors, tables.
inline constexpr std::uint32_t kRows = 8192, kBufferRows = 64, kScratchRow = 512, kTableRow = 768, kMapRow = 832;

// Of a thread's packet.
struct Edges {
  bool native = true, whole = true;
  std::uint16_t meta = 0, data = 0, end = 0;
  std::uint16_t lowest = 0;  // where metadata or packet ever began
};

struct Operation {
  CoreOp op{};
  std::uint16_t with = 0;
  std::uint64_t a = 0, b = 0, other = 0;
  Bytes image;  // what stands in the scratch; behind it, anything
};

struct Reply {
  unsigned thread = 0;
  bool host = false;  // the engine gives it to the host
  bool jump = false;
  std::uint64_t value = 0;
  // What the map table says of the value, as a pointer.
  bool found = false;
  std::uint32_t row = 0, bytes = 0;
  // Where the packet goes from now on, if that is said.
  bool redirects = false;
  unsigned redirect_kind = 0, redirect_map = 0;
  std::uint32_t redirect_value = 0;
};

// Percent of cycles.
struct Pace {
  unsigned gap = 0;   // nobody asks, though threads would
  unsigned busy = 0;  // others have the memory's port
  unsigned slow = 0;  // nobody takes an answer, or a request for the host
};

class MapEngine final : public sim::HostPort {
 public:
  MapEngine(std::uint64_t seed, Pace pace);

  // ---- the host ----
  [[nodiscard]] Result<std::uint32_t> read(std::uint32_t offset) override;
  [[nodiscard]] Result<> write(std::uint32_t offset, std::uint32_t value) override;
  [[nodiscard]] Result<> write_bundles(std::uint32_t first, std::span<const sim::BundleWords> bundles) override;
  [[nodiscard]] Result<> write_rows(std::uint32_t first, std::span<const std::byte> rows) override;
  [[nodiscard]] Result<> read_rows(std::uint32_t first, std::span<std::byte> rows) override;
  // It has answered a thread that it was asked for.
  void host_done(unsigned thread) { done_.push_back(thread); }

  // ---- threads ----
  // One request of a thread at a time.
  void ask(unsigned thread, Operation operation);
  // It begins with another packet.
  void begin(unsigned thread) { begins_ |= 1U << thread; }
  [[nodiscard]] Edges& edges(unsigned thread) { return edges_[thread]; }

  // A cycle, and what was answered in it.
  [[nodiscard]] std::optional<Reply> cycle();

  [[nodiscard]] std::byte* row(std::uint32_t number) { return memory_.data() + std::size_t{number} * sim::kRowBytes; }
  // What the engine did that nobody may; empty if all was well.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

 private:
  struct Asked {
    unsigned thread;
    std::uint16_t pc;
    unsigned depth;
    Operation operation;
  };

  bool chance(unsigned percent) { return random_() % 100 < percent; }
  void drive_request();
  void drive_host();
  void show_edges();
  [[nodiscard]] std::optional<Reply> sample();
  void sample_redirect(Reply& reply);
  void take_edges();
  void check_request();
  void use_memory();
  void keep_row();
  void complain(const char* what);

  Clocked<Vmap_engine> engine_;
  std::mt19937_64 random_;
  Pace pace_;
  Bytes memory_ = Bytes(std::size_t{kRows} * sim::kRowBytes);
  std::array<std::uint32_t, 16> read_{};  // what the memory's port shows next
  std::array<Edges, kThreads> edges_;
  std::array<Asked, kThreads> asked_{};
  std::deque<unsigned> asking_;
  std::deque<unsigned> done_;
  unsigned begins_ = 0;
  bool asleep_ = false;  // the host was asked, and has not answered
  std::string complaint_;
};

}  // namespace forager::rtl

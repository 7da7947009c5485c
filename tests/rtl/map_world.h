// SPDX-License-Identifier: Apache-2.0
//
// Threads that use maps at random, all at once, through the map engine; and for each answer, in the order in which they
// come, what the host's own maps say to the same.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "jit-backends/rtl/chip_memory.h"
#include "jit-backends/rtl/loader.h"
#include "tests/rtl/map_twins.h"

namespace forager::rtl {

class World {
 public:
  World(std::uint64_t seed, Pace pace, const std::vector<Shape>& shapes);

  // The host changes maps, threads do so many operations, and all is compared. False: it went wrong, and why() says
  // how.
  [[nodiscard]] bool round(unsigned operations);
  [[nodiscard]] const std::string& why() const { return why_; }
  // Results of updates and deletions; operations that the host was asked for; the most tail calls of a packet.
  struct Seen {
    std::set<std::pair<CoreOp, int>> results;
    std::set<CoreOp> asked;
    unsigned tail_calls = 0;
  };
  [[nodiscard]] const Seen& seen() const { return seen_; }

 private:
  struct Pending {
    CoreOp op{};
    Twin* map = nullptr;  // null: the operation has none
    Bytes key, value;
    std::uint64_t flags = 0;
  };
  struct Thread {
    std::optional<Pending> pending;
    unsigned tail_calls = 0;
    Twin* inner = nullptr;  // a map that a map of maps gave it
    std::uint64_t pointer = 0;
  };

  void make_maps(const std::vector<Shape>& shapes);
  void make_programs();
  void load();
  void change_maps();
  void change_words(Twin& map);

  void ask(unsigned thread);
  void ask_of(unsigned thread, Twin& map, bool by_pointer);
  [[nodiscard]] Operation operation(const Pending& pending, bool by_pointer, std::uint64_t pointer) const;
  void in_some_row(Operation& operation) const;

  void check(const Reply& reply);
  void check_host(const Reply& reply, const Pending& pending);
  void check_lookup(const Reply& reply, const Pending& pending);
  void check_inner(const Reply& reply, const Pending& pending);
  void check_update(const Reply& reply, const Pending& pending);
  void check_redirect(const Reply& reply, const Pending& pending);
  void check_tail_call(const Reply& reply, const Pending& pending);
  void update_by_host(unsigned thread, const Pending& pending);
  void redirect_by_host(const Reply& reply, const Pending& pending);
  void load_program(unsigned thread, const Pending& pending);
  void collect();
  void fill();
  void wrong(const std::string& what, const Pending* pending = nullptr);

  Random random_;
  std::uint32_t seed_;
  MapEngine engine_;
  jit::rtl::ChipMemory chip_;
  jit::rtl::Loader loader_;
  std::vector<std::unique_ptr<Twin>> maps_;   // that programs name
  std::vector<std::unique_ptr<Twin>> inner_;  // that maps of maps hold
  std::vector<std::unique_ptr<interp::Unit>> programs_;
  std::array<Thread, kThreads> threads_;
  std::string why_;
  std::uint64_t cycles_ = 0;
  Seen seen_;
};

}  // namespace forager::rtl

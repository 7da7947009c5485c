// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/schedule.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <tuple>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/forwards.h"
#include "jit-backends/rtl/registers.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

// How far behind an operation another one has to stand.
enum class Distance : std::uint8_t { none, same, next };

bool is_nothing(const Slot& slot) { return slot.op == CoreOp::AluNop; }

bool ends(const Slot& slot) { return class_of(slot.op) == CoreClass::Control || slot.op == CoreOp::BranchAlways; }

Distance by_registers(const Slot& a, const Slot& b) {
  const bool a_writes = writes_result(a), b_writes = writes_result(b);
  if (a_writes && (reads(b, a.d) || (b_writes && b.d == a.d))) return Distance::next;
  return b_writes && reads(a, b.d) ? Distance::same : Distance::none;
}

// What cmpxchg compares with stands beside it.
Distance by_registers(const Operation& a, const Operation& b) {
  Distance most = by_registers(a.slot, b.slot);
  if (writes_result(a.slot) && reads_beside(b, a.slot.d)) most = Distance::next;
  if (writes_result(b.slot) && reads_beside(a, b.slot.d)) most = std::max(most, Distance::same);
  return most;
}

bool touches_memory(const Operation& operation) {
  switch (class_of(operation.slot.op)) {
    case CoreClass::Load:
    case CoreClass::Store:
    case CoreClass::Atomic:
      return true;
    default:
      return false;
  }
}

bool writes_memory(const Operation& operation) {
  return touches_memory(operation) && class_of(operation.slot.op) != CoreClass::Load;
}

bool finds(const Slot& slot) { return slot.op == CoreOp::UnitLookup; }

// The host may change memory, the packet's edges and what was kept for it; the engine entries of maps.
Distance by_memory(const Operation& a, const Operation& b) {
  const auto changes = [](const Slot& slot) {
    return slot.op == CoreOp::UnitHost || (is_of_engine(slot) && !finds(slot));
  };
  const bool a_host = changes(a.slot), b_host = changes(b.slot);
  const auto of_host = [](const Operation& one) {
    return touches_memory(one) || class_of(one.slot.op) == CoreClass::Local || one.slot.op == CoreOp::UnitHost ||
           is_of_engine(one.slot) || one.slot.a_state;
  };
  if ((a_host && of_host(b)) || (b_host && of_host(a))) return Distance::next;
  const auto keeps = [](const Slot& slot) {
    return class_of(slot.op) == CoreClass::Local && slot.op != CoreOp::LocalState;
  };
  if ((finds(a.slot) && keeps(b.slot)) || (keeps(a.slot) && finds(b.slot))) return Distance::next;
  const auto reads_key = [](const Operation& one) { return finds(one.slot) && one.reach.first <= one.reach.last; };
  if ((reads_key(a) && writes_memory(b)) || (reads_key(b) && writes_memory(a))) {
    if (may_meet(a.reach, b.reach)) return Distance::next;
  }
  if (class_of(a.slot.op) == CoreClass::Local && class_of(b.slot.op) == CoreClass::Local) {
    return a.slot.op == CoreOp::LocalState || b.slot.op == CoreOp::LocalState ? Distance::none : Distance::next;
  }
  if (!touches_memory(a) || !touches_memory(b)) return Distance::none;
  const bool both_load = class_of(a.slot.op) == CoreClass::Load && class_of(b.slot.op) == CoreClass::Load;
  return both_load || !may_meet(a.reach, b.reach) ? Distance::none : Distance::next;
}

// Whether an operation may be done although a branch before it leads away: nobody there misses what it overwrites, and
// it cannot fail.
bool may_go_before(const Operation& branch, const Operation& operation) {
  if ((writes_of(operation) & branch.live_there) != 0) return false;
  if (class_of(operation.slot.op) == CoreClass::Alu || is_product(operation.slot)) return true;
  return class_of(operation.slot.op) == CoreClass::Load && operation.needs <= branch.known_bytes;
}
// ... may be left undone where a branch after it leads away.
bool may_go_behind(const Operation& operation, const Operation& branch) {
  return is_pure(operation) && (writes_of(operation) & branch.live_there) == 0;
}

Distance distance(const Operation& a, const Operation& b) {
  const Distance tied = by_registers(a, b);
  if (leaves(a.slot))
    return leaves(b.slot) ? std::max(Distance::same, tied) : may_go_before(a, b) ? tied : Distance::next;
  if (leaves(b.slot)) return !ends(b.slot) && may_go_behind(a, b) ? tied : std::max(Distance::same, tied);
  return std::max(tied, by_memory(a, b));
}

// A stretch that is entered at its begin only. Branches may lead out of its middle.
class Stretch {
 public:
  Stretch(std::span<Operation> operations, RegisterPool* pool)
      : operations_(operations), nodes_(operations.size()), pool_(pool) {
    for (std::size_t i = operations.size(); i-- > 0;) {
      nodes_[i].placed = is_nothing(operations[i].slot);
      if (!nodes_[i].placed) tie(i);
    }
  }

  // False if there are too few registers for this order.
  [[nodiscard]] bool run(std::vector<Pair>& out) {
    auto left = std::ranges::count(nodes_, false, &Node::placed);
    for (std::uint32_t bundle = 0; left > 0; ++bundle) {
      Pair pair;
      if (pool_ != nullptr) pool_->begin_bundle();
      for (std::size_t best = choose(bundle, pair); best != kNothing; best = choose(bundle, pair)) {
        take(best, bundle, pair);
        --left;
      }
      if (pair.first == nullptr && pair.second == nullptr) return false;
      out.push_back(pair);
    }
    return true;
  }

 private:
  static constexpr std::size_t kNothing = SIZE_MAX;
  struct Tie {
    std::size_t to;
    Distance distance;
  };
  struct Node {
    std::vector<Tie> ties;     // those that have to come after
    std::uint32_t waits = 0;   // for so many
    std::uint32_t height = 0;  // half bundles to the end
    std::uint32_t ready = 0;   // the first bundle it may stand in
    bool placed = false;
  };

  void tie(std::size_t i) {
    for (std::size_t j = i + 1; j < operations_.size(); ++j) {
      if (nodes_[j].placed) continue;
      const Distance apart = distance(operations_[i], operations_[j]);
      if (apart == Distance::none) continue;
      nodes_[i].ties.push_back({j, apart});
      ++nodes_[j].waits;
      const bool branches = leaves(operations_[i].slot) && leaves(operations_[j].slot);  // two in a bundle
      const std::uint32_t halves = apart == Distance::next ? 2 : branches ? 1 : 0;
      nodes_[i].height = std::max(nodes_[i].height, nodes_[j].height + halves);
    }
  }

  // The one with the longest way to the end among those that fit; the earlier of two. Where registers are few, first
  // those that need none.
  [[nodiscard]] std::size_t choose(std::uint32_t bundle, const Pair& pair) const {
    std::size_t best = kNothing;
    const auto is_better = [&](std::size_t i) {
      if (best == kNothing) return true;
      if (pool_ != nullptr && pool_->is_short()) {
        const bool takes = pool_->takes_from(operations_[i]), best_takes = pool_->takes_from(operations_[best]);
        if (takes != best_takes) return best_takes;
      }
      return nodes_[i].height > nodes_[best].height;
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (node.placed || node.waits != 0 || node.ready > bundle || !fits(operations_[i], pair)) continue;
      if (pool_ != nullptr && !pool_->has_room_for(operations_[i])) continue;
      if (is_better(i)) best = i;
    }
    // What only fills a bundle up had better wait than take one of the last registers.
    const bool begun = pair.first != nullptr || pair.second != nullptr;
    const bool fills = best != kNothing && begun && pool_ != nullptr && pool_->is_short();
    return fills && pool_->takes_from(operations_[best]) ? kNothing : best;
  }

  // Of two branches the earlier one takes slot 0: the order of ties lets it come first.
  [[nodiscard]] static bool fits(const Operation& operation, const Pair& pair) {
    if (pair.first == nullptr && pair.second == nullptr) return true;
    if (operation.beside || (pair.first != nullptr && pair.first->beside)) return false;
    if (pair.first != nullptr && pair.second != nullptr) return false;
    const Slot& slot = operation.slot;
    if (pair.second == nullptr) return fits_lane1(slot) || (fits_lane0(slot) && fits_lane1(pair.first->slot));
    return leaves(slot) ? fits_lane0(pair.second->slot) : fits_lane0(slot);
  }

  void take(std::size_t i, std::uint32_t bundle, Pair& pair) {
    const Operation* operation = &operations_[i];
    if (leaves(operation->slot)) {
      if (pair.second != nullptr) pair.first = pair.second;
      pair.second = operation;
    } else if (pair.first == nullptr) {
      pair.first = operation;
    } else if (fits_lane1(operation->slot)) {
      pair.second = operation;
    } else {
      pair.second = pair.first;
      pair.first = operation;
    }
    nodes_[i].placed = true;
    if (pool_ != nullptr) pool_->place(operations_[i]);
    for (const Tie& tie : nodes_[i].ties) {
      Node& after = nodes_[tie.to];
      --after.waits;
      after.ready = std::max(after.ready, bundle + (tie.distance == Distance::next ? 1 : 0));
    }
  }

  std::span<Operation> operations_;
  std::vector<Node> nodes_;
  RegisterPool* pool_;
};

// With values in registers of their own: of a few ways to place them the one that takes the fewest bundles. If there
// are too few registers for any, in those of the program.
void place_stretch(std::span<Operation> operations, std::span<const Registers> live, std::vector<Pair>& out) {
  struct Way {
    bool forwards;
    int short_at;  // registers that are left where it begins to be careful
  };
  constexpr Way kWays[] = {{true, 2}, {true, 1}, {true, 3}, {true, 0}, {false, 2}, {false, 1}};
  const std::vector<Operation> as_they_were(operations.begin(), operations.end());
  std::vector<Pair> placed;
  const auto place = [&](const Way& way) {
    std::ranges::copy(as_they_were, operations.begin());
    number_values(operations, live);
    if (way.forwards) forward_stores(operations);
    RegisterPool pool(operations, live.back(), way.short_at);
    placed.clear();
    return Stretch(operations, &pool).run(placed);
  };
  const Way* best = nullptr;
  std::size_t fewest = 0;
  for (const Way& way : kWays) {
    if (!place(way) || (best != nullptr && placed.size() >= fewest)) continue;
    best = &way;
    fewest = placed.size();
  }
  if (best == nullptr || !place(*best)) {
    std::ranges::copy(as_they_were, operations.begin());
    placed.clear();
    std::ignore = Stretch(operations, nullptr).run(placed);
  }
  std::ranges::move(placed, std::back_inserter(out));
}

// Registers that are live after each operation.
std::vector<Registers> live_after(std::span<const Operation> operations, Registers live) {
  std::vector<Registers> out(operations.size());
  for (std::size_t i = operations.size(); i-- > 0;) {
    const Operation& one = operations[i];
    if (ends(one.slot) && one.slot.op != CoreOp::ControlCall) live = one.live_there;
    out[i] = live;
    if (leaves(one.slot)) live |= one.live_there;
    live = static_cast<Registers>((live & ~writes_of(one)) | reads_of(one));
  }
  return out;
}

}  // namespace

bool may_meet(const Reach& a, const Reach& b) {
  using verifier::Region;
  if (a.region == Region::unknown || b.region == Region::unknown) return true;
  if (a.region != b.region) return false;
  if (a.region == Region::map_value && a.map != b.map && a.map != program::kNone && b.map != program::kNone)
    return false;
  const bool known = a.last >= a.first && b.last >= b.first && a.frame == b.frame;
  return !known || (a.first <= b.last && b.first <= a.last);
}

// Longer stretches are cut: what ties operations together is looked for between all of them.
std::vector<Pair> schedule(std::vector<Operation>& all, Registers live_at_end) {
  constexpr std::size_t kMost = 256;
  std::vector<Pair> out;
  const std::vector<Registers> live = live_after(all, live_at_end);
  std::span<Operation> operations = all;
  while (!operations.empty()) {
    const auto end = std::ranges::find_if(operations, [](const Operation& one) { return ends(one.slot); });
    const auto whole = static_cast<std::size_t>(end - operations.begin()) + (end != operations.end() ? 1 : 0);
    const std::size_t count = std::min(whole, kMost);
    const std::span<const Registers> after = std::span(live).subspan(all.size() - operations.size(), count);
    place_stretch(operations.first(count), after, out);
    operations = operations.subspan(count);
  }
  return out;
}

}  // namespace forager::jit::rtl

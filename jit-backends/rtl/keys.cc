// SPDX-License-Identifier: Apache-2.0
//
// Keys in the scratch. Programs make the key of a lookup on their stack, and the map engine reads long ones from the
// scratch of the thread's call depth: so that part of the stack, if nobody else can see it, is moved there as a whole,
// and the copying is gone. A row of the scratch is one key's.
#include <algorithm>
#include <bitset>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/scratch.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::int64_t kRow = 64;
using Written = std::bitset<kRow>;

// A key's bytes of the frame, from its lowest on.
struct Key {
  std::int64_t first = 0, last = 0;  // both included
  std::uint32_t row = 0;             // of the scratch
  friend bool operator==(const Key& a, const Key& b) { return a.first == b.first && a.last == b.last; }
};

bool is_exact(const Reach& reach) {
  return reach.region == verifier::Region::stack && reach.frame == 0 && reach.first <= reach.last;
}
bool is_access(const Slot& slot) {
  const CoreClass of = class_of(slot.op);
  return of == CoreClass::Load || of == CoreClass::Store || of == CoreClass::Atomic;
}
std::int64_t width(const Slot& slot) {
  if (class_of(slot.op) == CoreClass::Atomic) return slot.wide ? 8 : 4;
  return bytes_of(slot.op);
}

// Who may read or write the stack where nobody can tell.
bool sees_all(const Operation& operation) {
  constexpr CoreOp kOthers[] = {CoreOp::UnitHost, CoreOp::ControlCall};
  if (std::ranges::find(kOthers, operation.slot.op) != std::end(kOthers)) return true;
  if (!is_access(operation.slot)) return false;
  const Reach& reach = operation.reach;
  return reach.region == verifier::Region::unknown || (reach.region == verifier::Region::stack && !is_exact(reach));
}

// The blocks of one version of a program's main function.
class Keys {
 public:
  Keys(Flow& flow, bool native) : flow_(flow), native_(native) {}

  void run() {
    if (any_of([](const Operation& operation) { return sees_all(operation); })) return;
    std::vector<Key> keys;
    each([&](const Operation& operation) { note(operation, keys); });
    std::erase_if(keys, [&](const Key& key) { return !is_alone(key, keys) || !is_written_first(key); });
    std::uint32_t row = first_free_row(keys);
    for (Key& key : keys) key.row = row++;
    std::erase_if(keys, [](const Key& key) { return key.row * kRow >= std::int64_t{kSavedScratch}; });
    for (const Key& key : keys) move(key);
  }

 private:
  [[nodiscard]] bool is_mine(const FlowBlock& block) const { return block.native == native_ && !block.function; }
  template <class Visit>
  void each(Visit visit) {
    for (FlowBlock& block : flow_.blocks) {
      if (is_mine(block)) std::ranges::for_each(block.operations, visit);
    }
  }
  template <class Test>
  bool any_of(Test test) {
    bool any = false;
    each([&](const Operation& operation) { any = any || test(operation); });
    return any;
  }

  // Whole words: what is behind them in the row is no part of the key's hash.
  static void note(const Operation& operation, std::vector<Key>& keys) {
    if (!reads_key(operation)) return;
    const Key key = {.first = operation.reach.first, .last = operation.reach.last};
    if ((key.last - key.first + 1) % 4 == 0 && std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  static bool reads_key(const Operation& operation) {
    const Slot& slot = operation.slot;
    const bool finds = slot.op == CoreOp::UnitLookup || slot.op == CoreOp::UnitDelete;
    return finds && (slot.offset & kMapInScratch) != 0 && is_exact(operation.reach);
  }
  static bool meets(const Reach& reach, const Key& key) {
    return is_exact(reach) && reach.first <= key.last && key.first <= reach.last;
  }

  // Every access of its bytes is of some of them and no others, at a place that is known.
  [[nodiscard]] bool is_alone(const Key& key, const std::vector<Key>& keys) {
    const bool shared = std::ranges::any_of(
        keys, [&](const Key& other) { return !(other == key) && other.first <= key.last && key.first <= other.last; });
    return !shared && !any_of([&](const Operation& one) {
      if (!is_access(one.slot) || !meets(one.reach, key)) return false;
      const bool inside = key.first <= one.reach.first && one.reach.last <= key.last;
      return !inside || one.reach.last - one.reach.first + 1 != width(one.slot);
    });
  }

  // The stack begins as zeros, the scratch does not.
  [[nodiscard]] bool is_written_first(const Key& key) {
    std::vector<std::optional<Written>> at_begin(flow_.blocks.size());
    const std::uint32_t entry = native_ ? flow_.long_entry : 0;
    at_begin[entry] = Written{};
    std::vector<std::uint32_t> open = {entry};
    while (!open.empty()) {
      const std::uint32_t block = open.back();
      open.pop_back();
      const auto lead = [&](std::uint32_t to, const Written& written) {
        const Written both = at_begin[to] ? *at_begin[to] & written : written;
        if (at_begin[to] == both) return;
        at_begin[to] = both;
        open.push_back(to);
      };
      if (!reads_written(flow_.blocks[block], key, *at_begin[block], lead)) return false;
    }
    return true;
  }
  template <class Lead>
  static bool reads_written(const FlowBlock& block, const Key& key, Written written, Lead lead) {
    for (const Operation& one : block.operations) {
      if (one.target != program::kNone) lead(one.target, written);
      if (!meets(one.reach, key)) continue;
      Written bytes;
      for (std::int64_t at = one.reach.first; at <= one.reach.last; ++at)
        bytes.set(static_cast<std::size_t>(at - key.first));
      const bool writes = class_of(one.slot.op) == CoreClass::Store;
      if (!writes && (bytes & ~written).any()) return false;
      if (writes) written |= bytes;
    }
    if (block.next != program::kNone) lead(block.next, written);
    return true;
  }

  // Behind what stays there for the engine and for helpers.
  [[nodiscard]] std::uint32_t first_free_row(const std::vector<Key>& keys) {
    std::uint32_t row = 1;
    for (FlowBlock& block : flow_.blocks) {
      for (const Operation& one : block.operations) {
        const bool kept = one.slot.op == CoreOp::LocalKeep && one.slot.offset < kSavedScratch;
        if (kept && !is_copied_for(block, one, keys)) row = std::max(row, one.slot.offset / std::uint32_t{kRow} + 1);
      }
    }
    return row;
  }
  // Of what is copied for the engine, what will be gone.
  [[nodiscard]] bool is_copied_for(const FlowBlock& block, const Operation& kept, const std::vector<Key>& keys) const {
    return is_mine(block) && std::ranges::any_of(block.operations, [&](const Operation& one) {
             const Key key = {.first = one.reach.first, .last = one.reach.last};
             return one.instruction == kept.instruction && reads_key(one) && std::ranges::find(keys, key) != keys.end();
           });
  }

  void move(const Key& key) {
    for (FlowBlock& block : flow_.blocks) {
      if (!is_mine(block)) continue;
      std::erase_if(block.operations, [&](const Operation& one) {
        return one.slot.op == CoreOp::LocalKeep && is_copied_for(block, one, {key});
      });
      for (Operation& one : block.operations) {
        if (reads_key(one) && Key{.first = one.reach.first, .last = one.reach.last} == key)
          one.slot.offset |= static_cast<std::uint16_t>(key.row << kMapRowAt);
        if (is_access(one.slot) && meets(one.reach, key)) to_scratch(one, key);
      }
    }
  }
  static void to_scratch(Operation& one, const Key& key) {
    one.slot.a = static_cast<std::uint8_t>(CoreState::Scratch);
    one.slot.a_state = true;
    one.slot.offset = static_cast<std::uint16_t>(key.row * kRow + one.reach.first - key.first);
  }

  Flow& flow_;
  bool native_;
};

}  // namespace

void keep_keys(Flow& flow) {
  Keys(flow, false).run();
  if (flow.long_entry != program::kNone) Keys(flow, true).run();
  // Keys that stay on the stack are read by the loads that copy them, and by nobody else.
  for (FlowBlock& block : flow.blocks) {
    for (Operation& one : block.operations) {
      if (is_of_engine(one.slot) && one.slot.offset >> kMapRowAt == 0) one.reach = {};
    }
  }
}

}  // namespace forager::jit::rtl

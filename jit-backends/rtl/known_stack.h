// SPDX-License-Identifier: Apache-2.0
//
// What bytes of the running function's frame are known to hold, as they were stored. Offsets count from its lowest
// byte.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jit-backends/rtl/value.h"

namespace forager::jit::rtl {

struct Bytes {
  std::int64_t first = 0;
  std::int64_t count = 0;
  [[nodiscard]] std::int64_t end() const { return first + count; }
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

// Of a load or store of the frame by its top, that neither extends a sign nor changes the order of bytes.
struct State;
[[nodiscard]] std::optional<Bytes> bytes_of_stack(const Slot& slot, const State& at);

class KnownStack {
 public:
  void store(const Bytes& bytes, const Known& value);
  // Nothing if that is not known, of every bit.
  [[nodiscard]] std::optional<Known> load(const Bytes& bytes) const;
  // Of constants, those that are beside it stay known.
  void forget(const Bytes& bytes);
  // What each part of these bytes is known to hold, from the first on; nothing if that is not known of all.
  struct Part {
    Bytes bytes;
    Value value;
  };
  [[nodiscard]] std::vector<Part> parts(const Bytes& bytes) const;
  void forget_all() { entries_.clear(); }
  // Whether of some of these bytes, by their number, other constants are known than there, or only here or there are
  // any.
  template <class Bytes>
  [[nodiscard]] bool tells_apart(const KnownStack& other, const Bytes& read) const {
    return tells(other, read) || other.tells(*this, read);
  }
  void forget_register(std::uint8_t reg);
  void forget_packet();
  // What holds here and there too. True if it is less than before.
  bool meet(const KnownStack& other);

 private:
  struct Entry {
    Bytes bytes;
    Known known;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static constexpr std::size_t kMost = 64;

  template <class Bytes>
  [[nodiscard]] bool tells(const KnownStack& other, const Bytes& read) const {
    for (const Entry& entry : entries_) {
      if (!entry.known.value.is_constant()) continue;
      const auto there = other.load(entry.bytes);
      if (there && there->value == entry.known.value) continue;
      for (std::int64_t at = entry.bytes.first; at < entry.bytes.end(); ++at) {
        if (read[static_cast<std::size_t>(at)]) return true;
      }
    }
    return false;
  }

  std::vector<Entry> entries_;  // none of a byte of another's
};

}  // namespace forager::jit::rtl

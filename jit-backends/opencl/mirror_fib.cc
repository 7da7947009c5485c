// SPDX-License-Identifier: Apache-2.0
//
// The routing tables of the host, as bpf_fib_lookup reads them where programs run (cl/fib.cl has the same structures):
// made anew when they changed. What does not depend on the packet is found out here: which route comes first, what it
// answers, and how packets leave by it.
#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

using Word = std::uint32_t;
using Words = std::array<Word, 4>;

struct Header {
  Word interfaces = 0, routes = 0, ipv4_routes = 0, neighbours = 0, routes_at = 0, neighbours_at = 0;
};
struct InterfaceRow {
  Word ifindex = 0, forwarding = 0;
  friend bool operator==(const InterfaceRow&, const InterfaceRow&) = default;
};
struct RouteRow {
  Words prefix{}, mask{}, via{};
  Word has_via = 0, ifindex = 0, answer = 0, mtu = 0, metric = 0;
  std::array<Word, 2> mac{};  // of its interface
  friend bool operator==(const RouteRow&, const RouteRow&) = default;
};
struct NeighbourRow {
  Words address{};
  Word ipv6 = 0, ifindex = 0;
  std::array<Word, 2> mac{};
  friend bool operator==(const NeighbourRow&, const NeighbourRow&) = default;
};
static_assert(sizeof(InterfaceRow) == 8 && sizeof(RouteRow) == 76 && sizeof(NeighbourRow) == 32);

// A route, and where it stands among others.
struct Ranked {
  bool ipv6 = false;
  std::uint8_t length = 0;
  RouteRow row;
  friend bool operator==(const Ranked&, const Ranked&) = default;
};
bool comes_first(const Ranked& a, const Ranked& b) {
  if (a.ipv6 != b.ipv6) return b.ipv6;
  return a.length != b.length ? a.length > b.length : a.row.metric < b.row.metric;
}

Words mask_of(unsigned bits) {
  exec::Address mask{};
  for (unsigned bit = 0; bit < std::min<unsigned>(bits, 128); ++bit)
    mask[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  return std::bit_cast<Words>(mask);
}
std::array<Word, 2> words_of(const exec::Mac& mac) {
  std::array<Word, 2> words{};
  std::memcpy(words.data(), mac.data(), mac.size());
  return words;
}

Word answer_of(exec::FibRouteType type) {
  using exec::FibRouteType;
  switch (type) {
    case FibRouteType::unicast:
      return BPF_FIB_LKUP_RET_SUCCESS;
    case FibRouteType::blackhole:
      return BPF_FIB_LKUP_RET_BLACKHOLE;
    case FibRouteType::unreachable:
      return BPF_FIB_LKUP_RET_UNREACHABLE;
    case FibRouteType::prohibit:
      return BPF_FIB_LKUP_RET_PROHIBIT;
    default:
      return BPF_FIB_LKUP_RET_NOT_FWDED;
  }
}

Ranked ranked(const exec::FibTable& tables, const exec::FibRoute& route) {
  const exec::FibInterface* by = tables.interface(route.ifindex);
  Ranked made{.ipv6 = route.ipv6, .length = route.prefix_length};
  made.row = {.prefix = std::bit_cast<Words>(route.prefix),
              .mask = mask_of(route.prefix_length),
              .via = std::bit_cast<Words>(route.via.value_or(exec::Address{})),
              .has_via = route.via ? 1U : 0U,
              .ifindex = route.ifindex,
              .answer = answer_of(route.type),
              .metric = route.metric};
  if (made.row.answer == 0 && by == nullptr) made.row.answer = BPF_FIB_LKUP_RET_NOT_FWDED;
  if (by == nullptr) return made;
  made.row.mtu = route.mtu != 0 ? route.mtu : by->mtu;
  made.row.mac = words_of(by->mac);
  return made;
}

// In the host's order.
struct Rows {
  explicit Rows(const exec::FibTable& tables) {
    for (const auto& one : tables.interfaces) interfaces.push_back({one.ifindex, one.forwarding ? 1U : 0U});
    for (const auto& one : tables.routes) routes.push_back(ranked(tables, one));
    for (const auto& one : tables.neighbours) {
      neighbours.push_back({std::bit_cast<Words>(one.address), one.ipv6 ? 1U : 0U, one.ifindex, words_of(one.mac)});
    }
  }
  friend bool operator==(const Rows&, const Rows&) = default;

  std::vector<InterfaceRow> interfaces;
  std::vector<Ranked> routes;
  std::vector<NeighbourRow> neighbours;
};

class FibMirror final : public Mirror {
 public:
  explicit FibMirror(const exec::FibTable& tables) : tables_(tables), bytes_(std::bit_ceil(needed())) {}

  // Twice as many rows may come, at the most.
  std::uint64_t bytes() const override { return bytes_; }
  bool fits() const override { return needed() <= bytes_; }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  void put(std::span<std::byte> table, std::uint64_t) override {
    Rows rows(tables_);
    if (there_ && *there_ == rows) return;
    there_ = rows;
    std::ranges::stable_sort(rows.routes, comes_first);
    const auto ipv6 = std::ranges::find(rows.routes, true, &Ranked::ipv6);
    const Header header{.interfaces = count(rows.interfaces),
                        .routes = count(rows.routes),
                        .ipv4_routes = static_cast<Word>(ipv6 - rows.routes.begin()),
                        .neighbours = count(rows.neighbours),
                        .routes_at = static_cast<Word>(routes_at()),
                        .neighbours_at = static_cast<Word>(neighbours_at())};
    put_value(table, 0, header);
    put_rows(table.subspan(Table::kHeader), rows.interfaces, std::identity{});
    put_rows(table.subspan(routes_at()), rows.routes, &Ranked::row);
    put_rows(table.subspan(neighbours_at()), rows.neighbours, std::identity{});
  }
  void take(std::span<std::byte>) override {}

 private:
  static Word count(const auto& rows) { return static_cast<Word>(rows.size()); }
  static void put_rows(std::span<std::byte> to, const auto& rows, auto row_of) {
    std::size_t at = 0;
    for (const auto& one : rows) {
      const auto& row = std::invoke(row_of, one);
      put_value(to, at, row);
      at += sizeof row;
    }
  }
  [[nodiscard]] std::uint64_t routes_at() const {
    return Table::kHeader + tables_.interfaces.size() * sizeof(InterfaceRow);
  }
  [[nodiscard]] std::uint64_t neighbours_at() const { return routes_at() + tables_.routes.size() * sizeof(RouteRow); }
  [[nodiscard]] std::uint64_t needed() const {
    return neighbours_at() + tables_.neighbours.size() * sizeof(NeighbourRow);
  }

  const exec::FibTable& tables_;
  std::uint64_t bytes_;
  std::optional<Rows> there_;
};

}  // namespace

std::unique_ptr<Mirror> make_fib_mirror(const exec::FibTable& tables) { return std::make_unique<FibMirror>(tables); }

}  // namespace forager::jit::opencl

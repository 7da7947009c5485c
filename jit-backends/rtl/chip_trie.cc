// SPDX-License-Identifier: Apache-2.0
//
// LPM_TRIE on the chip, made anew from the host's entries before a batch: programs change values by pointer, not
// prefixes. A node with a key is an entry; one without joins two whose prefixes part there.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kDataAt = 8;  // in a node; before it: two children and the length
constexpr std::size_t kMostData = 16;
constexpr unsigned kChildBits = 24, kLengthAt = 48, kJoinsAt = 56;

struct Node {
  std::uint32_t length = 0;  // bits
  std::array<std::byte, kMostData> data{};
  std::array<std::uint32_t, 2> children{};
  Bytes key;  // of an entry
};

unsigned bit_at(const std::array<std::byte, kMostData>& data, std::uint32_t bit) {
  return std::to_integer<unsigned>(data[bit / 8]) >> (7 - bit % 8) & 1;
}

// Bits that two prefixes share.
std::uint32_t shared(const Node& a, const Node& b) {
  const std::uint32_t most = std::min(a.length, b.length);
  std::uint32_t bits = 0;
  while (bits < most && bit_at(a.data, bits) == bit_at(b.data, bits)) ++bits;
  return bits;
}

// Nodes from 1; 0 is none.
class Trie {
 public:
  void insert(Node node) {
    std::uint32_t parent = 0, side = 0, at = root_;
    while (at != 0) {
      const std::uint32_t same = shared(nodes_[at], node);
      if (same < nodes_[at].length || same == node.length) return put(parent, side, at, same, std::move(node));
      parent = at;
      side = bit_at(node.data, nodes_[at].length);
      at = nodes_[at].children[side];
    }
    point(parent, side, add(std::move(node)));
  }
  [[nodiscard]] std::uint32_t root() const { return root_; }
  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }

 private:
  // At the place of a node that shares so many bits with it.
  void put(std::uint32_t parent, std::uint32_t side, std::uint32_t at, std::uint32_t same, Node node) {
    if (same == nodes_[at].length) {  // a join becomes an entry
      nodes_[at].key = std::move(node.key);
      return;
    }
    const unsigned old_side = bit_at(nodes_[at].data, same);
    if (same == node.length) {
      node.children[old_side] = at;
      return point(parent, side, add(std::move(node)));
    }
    Node join{.length = same, .data = node.data, .children = {}, .key = {}};
    join.children[old_side] = at;
    join.children[1 - old_side] = add(std::move(node));
    point(parent, side, add(std::move(join)));
  }
  std::uint32_t add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }
  void point(std::uint32_t parent, std::uint32_t side, std::uint32_t to) {
    (parent == 0 ? root_ : nodes_[parent].children[side]) = to;
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::uint32_t root_ = 0;
};

class ChipTrie final : public ChipTable {
 public:
  ChipTrie(const ChipMap& map, exec::Map& host, const ChipPlace& place)
      : map_(map),
        host_(host),
        place_(place),
        value_bytes_(in_words(host.spec().value_size)),
        entries_(place.row + map.entry_row, map.nodes << map.shift) {}

  Result<> upload(sim::HostPort& board) override {
    trie_ = Trie();
    each_key(host_, [&](std::span<const std::byte> key) {
      const bool fits = trie_.nodes().size() + 2 <= map_.nodes;
      if (fits) trie_.insert(node_of(key.first(host_.spec().key_size)));
      return fits;
    });
    Bytes now(entries_.at(0), entries_.at(0) + entries_.size());
    for (std::uint32_t i = 1; i < trie_.nodes().size(); ++i) put_node(i, now);
    const std::size_t rows = trie_.nodes().size() << map_.shift;
    if (auto put = entries_.write(board, now, [=](std::size_t row) { return row < rows; }); !put) return put;
    return write_descriptor(board, map_, host_.spec(), place_, {.free = 0, .spare = 0, .root = trie_.root()});
  }

  Result<> download(sim::HostPort& board) override {
    const Bytes before(entries_.at(0), entries_.at(0) + entries_.size());
    const auto nodes = static_cast<std::uint32_t>(trie_.nodes().size());
    if (auto read = entries_.read(board, 0, nodes << map_.shift); !read) return read;
    for (std::uint32_t i = 1; i < nodes; ++i) {
      const Node& node = trie_.nodes()[i];
      std::byte* value = node.key.empty() ? nullptr : peek(host_, node.key.data(), place_.cpu);
      if (value == nullptr) continue;
      changes_to_host({before.data() + map_.value_at(i), value_bytes_}, {entries_.at(map_.value_at(i)), value_bytes_},
                      value);
    }
    return {};
  }

 private:
  static Node node_of(std::span<const std::byte> key) {
    Node node{.length = 0, .data = {}, .children = {}, .key = Bytes(key.begin(), key.end())};
    std::memcpy(&node.length, key.data(), sizeof node.length);
    std::memcpy(node.data.data(), key.data() + sizeof node.length, key.size() - sizeof node.length);
    return node;
  }

  void put_node(std::uint32_t number, Bytes& to) const {
    const Node& node = trie_.nodes()[number];
    const std::uint64_t head = node.children[0] | std::uint64_t{node.children[1]} << kChildBits |
                               std::uint64_t{node.length} << kLengthAt |
                               std::uint64_t{node.key.empty() ? 1U : 0U} << kJoinsAt;
    std::byte* at = to.data() + (std::size_t{number} << map_.shift) * sim::kRowBytes;
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + kDataAt, node.data.data(), node.data.size());
    std::byte* value = node.key.empty() ? nullptr : peek(host_, node.key.data(), place_.cpu);
    if (value != nullptr) value_from_host(value, {to.data() + map_.value_at(number), value_bytes_});
  }

  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  std::uint32_t value_bytes_;
  ChipRows entries_;
  Trie trie_;
};

}  // namespace

std::unique_ptr<ChipTable> make_chip_trie(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  return std::make_unique<ChipTrie>(map, host, place);
}

}  // namespace forager::jit::rtl

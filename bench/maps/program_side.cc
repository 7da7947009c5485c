// SPDX-License-Identifier: Apache-2.0
#include "bench/maps/program_side.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace forager::bench {
namespace {

constexpr std::uint8_t kR0 = 0, kR1 = 1, kR2 = 2, kR3 = 3, kR4 = 4, kR6 = 6, kR7 = 7, kFrame = 10;
constexpr std::uint8_t kMove = 0xb7, kMoveRegister = 0xbf, kAdd = 0x07, kMultiply32 = 0x24, kAnd = 0x57;
constexpr std::uint8_t kStore32 = 0x63, kStoreImmediate64 = 0x7a, kWide = 0x18, kCall = 0x85, kExit = 0x95;
constexpr std::uint8_t kJumpUnlessEqual = 0x55;
constexpr std::int16_t kKeyAt = -64, kValueAt = -128;  // zeroed stack slots of up to 64 bytes

// Walks the entries in a fixed order: n = (n * 5 + 1) mod 2^k visits all of them. The key is n * 2654435769, as
// MapUnderTest has it, or n itself for arrays.
class Loop {
 public:
  Loop(const MapUnderTest& map, ProgramOperation operation, std::int32_t turns) : map_(map), operation_(operation) {
    for (std::int16_t at = kValueAt; at < 0; at += 8) add(kStoreImmediate64, kFrame, 0, at, 0);
    add(kMove, kR6, 0, 0, turns);
    add(kMove, kR7, 0, 0, 0);
    const auto top = static_cast<std::int16_t>(code_.size());
    turn();
    add(kAdd, kR6, 0, 0, -1);
    add(kJumpUnlessEqual, kR6, 0, static_cast<std::int16_t>(top - static_cast<std::int16_t>(code_.size()) - 1), 0);
    add(kMove, kR0, 0, 0, 2);
    add(kExit, 0, 0, 0, 0);
  }
  [[nodiscard]] const std::vector<bpf_insn>& code() const { return code_; }

 private:
  void add(std::uint8_t opcode, std::uint8_t dst, std::uint8_t src, std::int16_t offset, std::int32_t immediate) {
    code_.push_back({opcode, static_cast<__u8>(dst & 15), static_cast<__u8>(src & 15), offset, immediate});
  }
  void turn() {
    const Shape& shape = map_.shape();
    const auto last = static_cast<std::int16_t>(kKeyAt + static_cast<std::int16_t>(shape.key_size) - 4);
    add(kMoveRegister, kR1, kR7, 0, 0);
    if (shape.type != BPF_MAP_TYPE_ARRAY) add(kMultiply32, kR1, 0, 0, static_cast<std::int32_t>(2654435769U));
    add(kStore32, kFrame, kR1, kKeyAt, 0);
    if (last != kKeyAt) add(kStore32, kFrame, kR1, last, 0);
    if (operation_ != ProgramOperation::nothing) operate();
    add(kMultiply32, kR7, 0, 0, 5);
    add(kAdd, kR7, 0, 0, 1);
    add(kAnd, kR7, 0, 0, static_cast<std::int32_t>(shape.entries() - 1));
  }
  void operate() {
    const bool updates = operation_ == ProgramOperation::update;
    add(kWide, kR1, BPF_PSEUDO_MAP_FD, 0, map_.fd());
    add(0, 0, 0, 0, 0);
    add(kMoveRegister, kR2, kFrame, 0, 0);
    add(kAdd, kR2, 0, 0, kKeyAt);
    if (updates) {
      add(kMoveRegister, kR3, kFrame, 0, 0);
      add(kAdd, kR3, 0, 0, kValueAt);
      add(kMove, kR4, 0, 0, 0);
    }
    add(kCall, 0, 0, 0, updates ? BPF_FUNC_map_update_elem : BPF_FUNC_map_lookup_elem);
  }

  const MapUnderTest& map_;
  ProgramOperation operation_;
  std::vector<bpf_insn> code_;
};

// Nanoseconds of one run, as the kernel measures it; negative errno.
double run_ns(int program) {
  std::array<std::byte, 64> packet{};
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  attr.test.prog_fd = static_cast<std::uint32_t>(program);
  attr.test.data_in = reinterpret_cast<std::uint64_t>(packet.data());
  attr.test.data_size_in = packet.size();
  attr.test.repeat = 200;
  const long error = call(Side::kernel, BPF_PROG_TEST_RUN, attr, sizeof attr);
  return error != 0 ? static_cast<double>(error) : attr.test.duration;
}

double loop_ns(const MapUnderTest& map, ProgramOperation operation, std::int32_t turns, std::string& error) {
  const Loop loop(map, operation, turns);
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insns = reinterpret_cast<std::uint64_t>(loop.code().data());
  attr.insn_cnt = static_cast<std::uint32_t>(loop.code().size());
  attr.license = reinterpret_cast<std::uint64_t>("GPL");
  const long program = call(Side::kernel, BPF_PROG_LOAD, attr, sizeof attr);
  if (program < 0) {
    error = fmt::format("the kernel refuses the loop: {}", std::strerror(static_cast<int>(-program)));
    return -1;
  }
  double best = -1;
  for (int i = 0; i < 5; ++i) {
    const double ns = run_ns(static_cast<int>(program));
    if (best < 0 || ns < best) best = ns;
  }
  close(static_cast<int>(program));
  if (best < 0) error = fmt::format("BPF_PROG_TEST_RUN: {}", std::strerror(static_cast<int>(-best)));
  return best;
}

}  // namespace

double kernel_turn_ns(const MapUnderTest& map, ProgramOperation operation, std::string& error) {
  constexpr std::int32_t kShort = 1000, kLong = kProgramTurns;
  const double shorter = loop_ns(map, operation, kShort, error), longer = loop_ns(map, operation, kLong, error);
  return error.empty() ? (longer - shorter) / (kLong - kShort) : -1;
}

}  // namespace forager::bench

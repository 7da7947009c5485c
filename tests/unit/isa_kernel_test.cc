// SPDX-License-Identifier: Apache-2.0
//
// Program types, contexts, return ranges and map types against the running kernel: every load and store of every
// context byte, every bound of a return range, every creation flag. The helpers have a file of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include "kernel_verifier.h"

namespace forager::isa::test {
namespace {

class Kernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = no_kernel(); !why.empty()) GTEST_SKIP() << why;
  }
};

// Where the tables are right for what they are for, and the kernel is known to differ.
struct Divergence {
  ProgType type;
  std::uint32_t offset;
  const char* why;
};
constexpr Divergence kContextDivergences[] = {
    {ProgType::raw_tracepoint_writable, 0,
     "Linux forbids narrow loads only at byte 0 of the buffer pointer; we forbid them in the whole pointer"},
};
bool diverges(ProgType type, std::uint32_t offset) {
  for (const Divergence& d : kContextDivergences) {
    if (d.type == type && offset / 8 == d.offset / 8) return true;
  }
  return false;
}

// Tables are those of Linux 6.18: an older kernel knows less, a newer one may know more.
void expect_same(bool ours, bool kernels, const std::string& what) {
  if (kernel_version() < kTablesVersion && ours && !kernels) return;
  if (kernel_version() > kTablesVersion && !ours && kernels) return;
  EXPECT_EQ(ours, kernels) << what << " (ours, Linux)";
}

bool kernel_allows(const ContextAccess& access) {
  const auto min = return_range(*find_prog_type(static_cast<std::uint32_t>(access.type)), access.attach_type).min;
  const Code code = {mov(2, 0),
                     access.store ? store(access.bytes, 1, static_cast<int>(access.offset), 2)
                                  : load(access.bytes, 0, 1, static_cast<int>(access.offset)),
                     mov(0, static_cast<std::int32_t>(min)), leave()};
  return ask({.type = access.type, .attach_type = access.attach_type, .code = code}).error == 0;
}

// The offsets worth asking for: all of a structure, the ends of a run of bytes.
std::vector<std::uint32_t> offsets_of(const ContextRow& context) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t at = 0; at < 256 && at < context.size + 8U; ++at) out.push_back(at);
  if (context.size <= 256) return out;
  constexpr std::uint32_t kReach = 32760;  // of a 16-bit offset
  for (std::uint32_t at = context.size - 16U; at <= context.size && at < kReach; ++at) out.push_back(at);
  return out;
}

// The tables' registers are those of x86-64.
bool of_this_machine(const ContextRow& context) {
#if defined(__x86_64__)
  return !context.fields.empty();
#else
  return !context.fields.empty() && context.name != "pt_regs" && context.name != "bpf_perf_event_data";
#endif
}

void compare_contexts(const ProgTypeRow& row, std::uint32_t attach_type) {
  for (const std::uint32_t offset : offsets_of(*row.context)) {
    if (diverges(row.type, offset)) continue;
    for (const std::uint32_t bytes : {1U, 2U, 4U, 8U}) {
      for (const bool store : {false, true}) {
        const ContextAccess access{row.type, attach_type, offset, bytes, store};
        expect_same(check_access(access) != nullptr, kernel_allows(access),
                    fmt::format("{} at {}: {} of {} bytes at offset {}", row.name, attach_type,
                                store ? "store" : "load", bytes, offset));
      }
    }
  }
}

TEST_F(Kernel, AllowsTheContextAccessesThatTheTablesAllow) {
  unsigned compared = 0;
  for (const ProgTypeRow& row : prog_types()) {
    for (const std::uint32_t place : places(row.type)) {
      if (!of_this_machine(*row.context) || !loads(row.type, place)) continue;
      compare_contexts(row, place);
      ++compared;
    }
  }
  EXPECT_GE(compared, 30U) << "most program types load on any kernel";
}

bool kernel_allows_return(const ProgTypeRow& row, std::uint32_t place, std::uint64_t value) {
  const Code code = {{.opcode = 0xb4, .dst = 0, .imm = static_cast<std::int32_t>(value)}, leave()};  // w0 = value
  return ask({.type = row.type, .attach_type = place, .code = code}).error == 0;
}

TEST_F(Kernel, AllowsTheReturnValuesThatTheTablesAllow) {
  for (const ProgTypeRow& row : prog_types()) {
    for (const std::uint32_t place : places(row.type)) {
      if (!loads(row.type, place)) continue;
      const ReturnRange range = return_range(row, place);
      for (const std::uint64_t value : {0ULL, 1ULL, 2ULL, 3ULL, 4ULL, 0x7fffffffULL, 0xffffffffULL}) {
        expect_same(value >= range.min && value <= range.max, kernel_allows_return(row, place, value),
                    fmt::format("{} at {} returns {}", row.name, place, value));
      }
    }
  }
}

bool kernel_creates(MapType type, std::uint32_t flags) {
  const int fd = create_map(type, flags);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

TEST_F(Kernel, TakesTheMapFlagsThatTheTablesTake) {
  // BPF_F_STACK_BUILD_ID goes with values of another size than the map made here has.
  const auto skipped = [](MapType type, unsigned bit) { return type == MapType::stack_trace && bit == 5; };
  for (const MapRow& row : maps()) {
    if (!kernel_creates(row.type, row.needed_flags)) continue;  // struct_ops, or a type this kernel lacks
    EXPECT_EQ(kernel_creates(row.type, 0), row.needed_flags == 0) << row.name << " without flags";
    for (unsigned bit = 0; bit < 19; ++bit) {
      const std::uint32_t flag = 1U << bit;
      if ((row.needed_flags & flag) != 0 || skipped(row.type, bit)) continue;
      expect_same((row.flags & flag) != 0, kernel_creates(row.type, row.needed_flags | flag),
                  fmt::format("{} with flag 1 << {}", row.name, bit));
    }
  }
}

}  // namespace
}  // namespace forager::isa::test

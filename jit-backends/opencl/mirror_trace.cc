// SPDX-License-Identifier: Apache-2.0
//
// What programs print (bpf_trace_printk): a log for each lane (cl/trace.cl), of which the host's own helper makes
// lines, as if the programs had printed them now. Lanes' lines come lane by lane.
#include <algorithm>
#include <cstring>

#include "exec/host_helpers.h"
#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

// In a lane's log; behind it the entries: the format's length (8), three arguments, the format.
constexpr std::size_t kUsed = 0;
constexpr std::size_t kArgument = 8, kEntryHeader = 32;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 18, kAllBytes = std::uint64_t{1} << 20,
                        kLeastBytes = std::uint64_t{1} << 14;

class TraceMirror final : public Mirror {
 public:
  TraceMirror(const exec::Environment& environment, unsigned cpu, unsigned lanes)
      : print_(environment.helpers[static_cast<std::size_t>(exec::HelperId::trace_printk)]),
        context_{.environment = &environment},
        cpu_(cpu),
        lanes_(lanes) {}

  std::uint64_t bytes() const override { return lanes_ * trace_bytes_of(lanes_); }
  std::uint64_t place(std::uint64_t at, unsigned lane) const override { return at + lane * trace_bytes_of(lanes_); }

  void put(std::span<std::byte> table, std::uint64_t) override {
    for (unsigned lane = 0; lane < lanes_; ++lane) put_value(of_lane(table, lane), kUsed, std::uint64_t{0});
  }

  void take(std::span<std::byte> table) override {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      const auto log = of_lane(table, lane);
      context_.cpu = cpu_ + lane;
      const auto entries = log.subspan(Table::kHeader);
      print_lines(entries.first(std::min<std::uint64_t>(value_at<std::uint64_t>(log, kUsed), entries.size())));
    }
  }

 private:
  [[nodiscard]] std::span<std::byte> of_lane(std::span<std::byte> table, unsigned lane) const {
    return table.subspan(place(0, lane), trace_bytes_of(lanes_));
  }

  // The helper looks for the format's NUL within its length, and follows no pointers without a program's memory.
  void print_lines(std::span<const std::byte> entries) {
    while (entries.size() >= kEntryHeader) {
      const auto length = value_at<std::uint32_t>(entries, 0);
      const std::uint64_t bytes = kEntryHeader + in_words(length);
      if (bytes > entries.size()) return;
      const auto argument = [&](std::size_t nth) {
        return value_at<std::uint64_t>(entries, kArgument + nth * sizeof(std::uint64_t));
      };
      const auto text = reinterpret_cast<std::uintptr_t>(entries.data() + kEntryHeader);
      print_(context_, text, length, argument(0), argument(1), argument(2));
      entries = entries.subspan(bytes);
    }
  }

  exec::HelperFn print_;
  exec::RunContext context_;
  unsigned cpu_, lanes_;
};

}  // namespace

// All lanes share a megabyte, but each has room for some formats.
std::uint64_t trace_bytes_of(unsigned lanes) {
  return std::clamp(kAllBytes / std::max(lanes, 1U), kLeastBytes, kMostBytes) & ~std::uint64_t{63};
}

std::unique_ptr<Mirror> make_trace_mirror(const exec::Environment& environment, unsigned cpu, unsigned lanes) {
  return std::make_unique<TraceMirror>(environment, cpu, lanes);
}

}  // namespace forager::jit::opencl

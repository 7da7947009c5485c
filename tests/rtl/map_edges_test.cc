// SPDX-License-Identifier: Apache-2.0
//
// What the map engine does of a packet: its edges, against those of a Frame and with the bytes between them, and where
// it is redirected to. All threads at once, each with a packet of its own.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "exec/frame.h"
#include "tests/rtl/map_engine_rig.h"

namespace forager::rtl {
namespace {

constexpr unsigned kOperations = 3000, kPatience = 5000;
constexpr std::uint32_t kShortest = 14, kMostValue = 1U << 29;  // what a redirect can take along

class Packets {
 public:
  Packets(std::uint64_t seed, Pace pace) : random_(seed), engine_(seed, pace) {
    for (unsigned thread = 0; thread < kThreads; ++thread) begin(thread);
  }

  // What went wrong; empty: nothing.
  std::string run() {
    unsigned left = kOperations, quiet = 0;
    const auto waits = [](const Thread& thread) { return thread.pending.has_value(); };
    while (why_.empty() && (left > 0 || std::ranges::any_of(threads_, waits))) {
      for (unsigned thread = 0; left > 0 && thread < kThreads; ++thread) {
        if (threads_[thread].pending || random_() % 2 == 0) continue;
        ask(thread);
        --left;
      }
      const auto reply = engine_.cycle();
      quiet = reply ? 0 : quiet + 1;
      if (reply) check(*reply);
      if (quiet > kPatience) why_ = "the engine stands still";
    }
    return why_.empty() ? engine_.complaint() : why_;
  }

 private:
  struct Thread {
    exec::Frame frame;
    std::optional<Operation> pending;
  };

  std::byte* buffer(unsigned thread) { return engine_.row(thread * kBufferRows); }

  // Around the packet stands what was another's.
  void begin(unsigned thread) {
    Bytes bytes(kShortest + random_() % (random_() % 2 == 0 ? 40 : 3000));
    std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random_()); });
    exec::Frame& frame = threads_[thread].frame = *exec::Frame::make(bytes);
    std::generate_n(buffer(thread), kBufferRows * sim::kRowBytes, [&] { return static_cast<std::byte>(random_()); });
    std::ranges::copy(bytes, buffer(thread) + frame.data());
    engine_.edges(thread) = {.native = random_() % 8 != 0, .whole = random_() % 2 == 0};
    show(thread);
    engine_.edges(thread).lowest = static_cast<std::uint16_t>(frame.data());
    engine_.begin(thread);
  }

  // The frame's edges are the packet's.
  void show(unsigned thread) {
    const exec::Frame& frame = threads_[thread].frame;
    Edges& edges = engine_.edges(thread);
    edges.meta = static_cast<std::uint16_t>(frame.data_meta());
    edges.data = static_cast<std::uint16_t>(frame.data());
    edges.end = static_cast<std::uint16_t>(frame.data_end());
  }

  std::uint32_t some_distance(CoreOp op) {
    const auto any = static_cast<std::uint32_t>(random_());
    switch (random_() % 8) {
      case 0:
        return any;
      case 1:
        return any % 8192 - 4096;
      case 2:
        return random_() % 2 == 0 ? 0x80000000U : 0x7fffffffU;
      default:
        return op == CoreOp::UnitAdjustMeta ? (any % 32 - 16) * (random_() % 8 == 0 ? 1 : 4) : any % 160 - 80;
    }
  }

  void ask(unsigned thread) {
    if (random_() % 32 == 0) begin(thread);
    constexpr CoreOp kOps[] = {CoreOp::UnitAdjustHead, CoreOp::UnitAdjustTail, CoreOp::UnitAdjustMeta,
                               CoreOp::UnitRedirect};
    Operation made{.op = kOps[random_() % std::size(kOps)]};
    made.a = random_() << 32 | some_distance(made.op);
    if (made.op == CoreOp::UnitRedirect) made.a = random_() >> (32 + random_() % 8);
    engine_.ask(thread, made);
    threads_[thread].pending = made;
  }

  int adjust(exec::Frame& frame, const Operation& operation) {
    const auto by = static_cast<std::int32_t>(operation.a);
    return operation.op == CoreOp::UnitAdjustHead   ? frame.adjust_head(by)
           : operation.op == CoreOp::UnitAdjustTail ? frame.adjust_tail(by)
                                                    : frame.adjust_meta(by);
  }

  void check(const Reply& reply) {
    auto& pending = threads_[reply.thread].pending;
    if (!pending) return wrong(reply, "an answer that nobody waits for");
    const Operation operation = *pending;
    pending.reset();
    if (operation.op == CoreOp::UnitRedirect) return check_redirect(reply, operation);
    if (reply.redirects) wrong(reply, "redirected");
    if (reply.host) return check_host(reply, operation);
    check_edge(reply, operation);
  }

  void check_redirect(const Reply& reply, const Operation& operation) {
    const bool by_host = operation.a >= kMostValue;
    if (!reply.redirects || reply.host != by_host) return wrong(reply, "not redirected");
    if (by_host) engine_.host_done(reply.thread);
    if (reply.redirect_kind != (by_host ? 3U : 1U)) wrong(reply, "another kind of redirect");
    if (!by_host && (reply.value != XDP_REDIRECT || reply.redirect_value != operation.a)) wrong(reply, "elsewhere");
  }

  // The host moves metadata along with the head, and packets that it keeps.
  void check_host(const Reply& reply, const Operation& operation) {
    exec::Frame& frame = threads_[reply.thread].frame;
    Edges& edges = engine_.edges(reply.thread);
    engine_.host_done(reply.thread);
    const bool with_metadata = operation.op == CoreOp::UnitAdjustHead && edges.meta != edges.data;
    if (edges.native && !with_metadata) return wrong(reply, "the host is asked");
    if (!edges.native) return;
    std::ignore = adjust(frame, operation);
    show(reply.thread);
    edges.lowest = std::min(edges.lowest, edges.meta);
    std::copy(frame.buffer() + edges.meta, frame.buffer() + edges.end, buffer(reply.thread) + edges.meta);
  }

  void check_edge(const Reply& reply, const Operation& operation) {
    exec::Frame& frame = threads_[reply.thread].frame;
    const Edges& edges = engine_.edges(reply.thread);
    const int expected = adjust(frame, operation);
    if (reply.value != static_cast<std::uint64_t>(std::int64_t{expected})) return wrong(reply, "another result");
    if (edges.meta != frame.data_meta() || edges.data != frame.data() || edges.end != frame.data_end())
      return wrong(reply, "other edges");
    std::byte* bytes = buffer(reply.thread);
    if (!std::equal(bytes + edges.meta, bytes + edges.end, frame.buffer() + edges.meta))
      return wrong(reply, "other bytes");
    const std::uint64_t at = edges.meta + random_() % (edges.end - edges.meta);
    bytes[at] = frame.buffer()[at] = static_cast<std::byte>(random_());
  }

  void wrong(const Reply& reply, const char* what) { why_ = fmt::format("thread {}: {}", reply.thread, what); }

  std::mt19937_64 random_;
  MapEngine engine_;
  std::array<Thread, kThreads> threads_;
  std::string why_;
};

TEST(MapEngineEdges, MoveAsAFrames) {
  for (const Pace& pace : {Pace{}, Pace{.gap = 60, .busy = 20, .slow = 20}, Pace{.busy = 80, .slow = 50}}) {
    EXPECT_EQ(Packets(5, pace).run(), "") << "others have the port in " << pace.busy << " % of cycles";
  }
}

}  // namespace
}  // namespace forager::rtl

// SPDX-License-Identifier: Apache-2.0
//
// bpf_fib_lookup on an OpenCL device: what it answers and what it leaves in the query are the interpreter's, for
// routing tables and queries of any sort, in tables that come and go between batches.
#include <linux/bpf.h>

#include <array>
#include <random>

#include "jit-backends/opencl/refusals.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Environment;
using exec::FibTable;
using exec::Frame;
using exec::testing::Bytes;
using exec::testing::Rig;

constexpr std::size_t kFlagsAt = 64, kAnswerAt = 72, kPacketBytes = 80;  // behind the query
static_assert(sizeof(bpf_fib_lookup) == kFlagsAt);

// r6 = the context, r7 = the packet; the query stands at r2.
std::string looking_up(const std::string& before, const std::string& after, unsigned size = kFlagsAt) {
  return "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 80\nif r0 > r8 goto out\n" + before +
         fmt::format("r1 = r6\nr3 = {}\nr4 = *(u32 *)(r7 + {})\ncall bpf_fib_lookup\n*(u64 *)(r7 + {}) = r0\n", size,
                     kFlagsAt, kAnswerAt) +
         after + "out: r0 = 2\nexit";
}
std::string copied(unsigned to, int to_at, unsigned from, int from_at) {
  std::string text;
  for (int at = 0; at < 64; at += 8)
    text += fmt::format("r5 = *(u64 *)(r{} {:+})\n*(u64 *)(r{} {:+}) = r5\n", from, from_at + at, to, to_at + at);
  return text;
}
std::string in_the_stack(unsigned size = kFlagsAt) {
  return looking_up(copied(10, -64, 7, 0) + "r2 = r10\nr2 += -64\n", copied(7, 0, 10, -64), size);
}

// Addresses of few different bytes, so that prefixes and neighbours are met.
class Routing {
 public:
  explicit Routing(unsigned seed) : random_(seed) {}

  FibTable tables(unsigned routes, unsigned neighbours) {
    FibTable made;
    for (std::uint32_t i = 1; i < 6; ++i) {
      const std::uint32_t ifindex = i == 5 ? 2 : i;  // the first of two is the one
      made.interfaces.push_back(
          {.ifindex = ifindex, .mac = mac(), .mtu = any(3) == 0 ? 70'000 : 60 * i, .forwarding = i != 4});
    }
    for (unsigned i = 0; i < routes; ++i) made.routes.push_back(route());
    for (unsigned i = 0; i < neighbours; ++i) {
      const bool ipv6 = any(2) == 0;
      made.neighbours.push_back({.ipv6 = ipv6, .address = address(ipv6), .mac = mac(), .ifindex = any(4)});
    }
    return made;
  }

  Frame packet() {
    bpf_fib_lookup query{};
    for (auto& byte : std::span(reinterpret_cast<std::uint8_t*>(&query), sizeof query)) byte = byte_of();
    const bool ipv6 = any(2) == 0;
    query.family = any(30) == 0 ? 3 : ipv6 ? 10 : 2;
    query.tot_len = static_cast<std::uint16_t>(any(200));
    query.ifindex = any(12) == 0 ? any(6) : 1 + any(3);
    const exec::Address to = address(ipv6), from = address(ipv6);
    std::memcpy(query.ipv6_dst, to.data(), ipv6 ? 16 : 4);
    std::memcpy(query.ipv6_src, from.data(), ipv6 ? 16 : 4);
    constexpr std::uint32_t kFlags[] = {0, 0, 1, 2, 4, 6, 8, 16, 20, 31, 32, 0x80000000};
    const std::uint32_t flags = kFlags[any(std::size(kFlags))];
    Bytes bytes(kPacketBytes);
    std::memcpy(bytes.data(), &query, sizeof query);
    std::memcpy(bytes.data() + kFlagsAt, &flags, sizeof flags);
    return *Frame::make(exec::testing::as_bytes(bytes));
  }

 private:
  std::uint32_t any(std::uint32_t below) { return random_() % below; }
  std::uint8_t byte_of() { return static_cast<std::uint8_t>(random_()); }
  exec::Mac mac() { return {byte_of(), byte_of(), byte_of(), byte_of(), byte_of(), byte_of()}; }

  exec::Address address(bool ipv6) {
    constexpr std::uint8_t kBytes[] = {0, 1, 0x80, 0xc0};
    exec::Address made{};
    if (ipv6 && any(25) == 0) {  // ::1, fe80::/10, ff00::/8
      made[any(2) == 0 ? 15 : 0] = 1;
      if (any(2) == 0) made[0] = any(2) == 0 ? 0xff : 0xfe, made[1] = byte_of();
      return made;
    }
    made[0] = 0x20;
    for (const std::size_t at : {1U, 2U, 3U}) made[at] = kBytes[any(std::size(kBytes))];
    if (ipv6) made[15] = kBytes[any(std::size(kBytes))];
    return made;
  }

  exec::FibRoute route() {
    exec::FibRoute made;
    made.ipv6 = any(2) == 0;
    made.prefix = address(made.ipv6);
    if (any(4) == 0) made.prefix[12] = 7;  // beyond IPv4's, or not
    made.prefix_length = static_cast<std::uint8_t>(any(8) == 0 ? any(140) : any(4) * 8 + any(9));
    if (any(2) == 0) made.via = address(made.ipv6);
    made.ifindex = any(20) == 0 ? 9 : 1 + any(3);
    made.mtu = any(4) == 0 ? 100 : 0;
    made.metric = any(3);
    made.type = any(5) == 0 ? static_cast<exec::FibRouteType>(any(5)) : exec::FibRouteType::unicast;
    return made;
  }

  std::mt19937 random_;
};

std::vector<Frame> queries(unsigned count, unsigned seed) {
  Routing routing(seed);
  std::vector<Frame> frames;
  frames.reserve(count);
  for (unsigned n = 0; n < count; ++n) frames.push_back(routing.packet());
  return frames;
}

std::int64_t answer_of(const Frame& frame) {
  return static_cast<std::int64_t>(value_at<std::uint64_t>(frame.packet(), kAnswerAt));
}

exec::testing::MapRef value_of_a_query() {
  auto made = maps::create(
      {.type = isa::MapType::array, .key_size = 4, .value_size = 64, .max_entries = 1, .name = "query"}, 1);
  EXPECT_TRUE(made) << made.error().text();
  return *made;
}

class OpenclFib : public testing::WithDevice {
 protected:
  // What was answered, and how often.
  std::map<std::int64_t, unsigned> answers_;
  Environment environment_ = exec::testing::plain_environment();

  void compare(exec::Device& reference, exec::Device& tested, unsigned seed) {
    auto expected = queries(2000, seed), actual = queries(2000, seed);
    ASSERT_TRUE(reference.run(expected));
    const auto ran = tested.run(actual);
    ASSERT_TRUE(ran) << ran.error().text();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "")
          << "packet " << i << ": " << answer_of(expected[i]) << " and " << answer_of(actual[i]);
      ++answers_[answer_of(expected[i])];
    }
  }

  void compare_all(const std::string& text, const std::vector<exec::testing::MapRef>& maps = {},
                   isa::ProgType type = isa::ProgType::xdp) {
    for (const bool copies : {false, true}) {
      SCOPED_TRACE(copies ? "copies" : "in place");
      environment_.fib = {};
      const Rig rig{.type = type, .maps = maps, .environment = &environment_};
      const auto reference = exec::testing::open_device(rig, text);
      const auto tested = testing::open_device(rig, text, {.offload = {.copies = copies, .batch = 500}});
      ASSERT_TRUE(reference != nullptr && tested != nullptr);
      compare(*reference, *tested, 1);
      for (const unsigned routes : {3U, 40U, 400U, 5U}) {
        environment_.fib = Routing(routes).tables(routes, routes / 2 + 60);
        compare(*reference, *tested, routes + 1);
      }
    }
  }
};

// Tables of other sizes are told between batches.
TEST_F(OpenclFib, AnswersAreTheInterpreters) {
  compare_all(in_the_stack());
  for (const int answer : {-EINVAL, -EAFNOSUPPORT, -ENODEV}) EXPECT_GT(answers_[answer], 10U) << answer;
  for (const int answer : {BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LKUP_RET_BLACKHOLE, BPF_FIB_LKUP_RET_UNREACHABLE,
                           BPF_FIB_LKUP_RET_PROHIBIT, BPF_FIB_LKUP_RET_NOT_FWDED, BPF_FIB_LKUP_RET_FWD_DISABLED,
                           BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_SRC_ADDR}) {
    EXPECT_GT(answers_[answer], 10U) << answer;
  }
}

// In a map's value, or in the caller's stack.
TEST_F(OpenclFib, QueriesStandAnywhere) {
  const std::string value = "r9 = map[query][0]+0 ll\n" + copied(9, 0, 7, 0) + "r2 = r9\n";
  compare_all(looking_up(value, copied(7, 0, 9, 0)), {value_of_a_query()});
  EXPECT_GT(answers_[0], 10U);
  answers_.clear();
  std::string called = in_the_stack();
  called.replace(called.find("call bpf_fib_lookup"), std::strlen("call bpf_fib_lookup"), "call find");
  compare_all(called + "\nfind: call bpf_fib_lookup\nexit");
  EXPECT_GT(answers_[0], 10U);
}

TEST_F(OpenclFib, OfAnySize) {
  answers_.clear();
  compare_all(looking_up(copied(10, -72, 7, 0) + "r5 = 0\n*(u64 *)(r10 - 8) = r5\nr2 = r10\nr2 += -72\n",
                         copied(7, 0, 10, -72), 72));
  EXPECT_GT(answers_[0], 10U);
  answers_.clear();
  compare_all(in_the_stack(63));
  EXPECT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_.begin()->first, -EINVAL);
}

TEST_F(OpenclFib, PacketsOfTheStackAsk) {
  const std::string text = "r6 = r1\nr7 = *(u32 *)(r1 + 76)\nr8 = *(u32 *)(r1 + 80)\n" +
                           in_the_stack().substr(in_the_stack().find("r0 = r7"));
  compare_all(text, {}, isa::ProgType::sched_cls);
  EXPECT_GT(answers_[0], 10U);
}

// Lookups change nothing that others see.
TEST_F(OpenclFib, AllLanesLookUp) {
  const auto program = exec::testing::verified({}, in_the_stack());
  ASSERT_NE(program, nullptr);
  EXPECT_FALSE(needs_order(*program));
}

// Equal tables are not written again; those that are larger than there was room for do not fit.
TEST(OpenclFibMirror, FollowsTheTables) {
  FibTable tables = Routing(1).tables(2, 0);
  const auto mirror = make_fib_mirror(tables);
  std::vector<std::byte> memory(mirror->bytes());
  mirror->put(memory, 0);
  const std::vector<std::byte> first = memory;
  memory[0] = std::byte{99};
  mirror->put(memory, 0);
  EXPECT_EQ(memory[0], std::byte{99});
  tables.routes[0].metric += 1;
  mirror->put(memory, 0);
  EXPECT_EQ(memory[0], first[0]);
  EXPECT_NE(memory, first);
  EXPECT_TRUE(mirror->fits());
  tables.routes.resize(50);
  EXPECT_FALSE(mirror->fits());
}

}  // namespace
}  // namespace forager::jit::opencl

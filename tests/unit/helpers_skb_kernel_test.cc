// SPDX-License-Identifier: Apache-2.0
//
// Helpers of __sk_buff, on our bpf(2) and on the kernel's: generated packets and arguments, bad ones too, one family at
// a time and in long sequences. Error, return value, packet out and context out must be equal. Seeds are fixed.
//
// Where equality is impossible, and why:
//   get_hash_recalc          the kernel's hash is keyed by a secret of each boot (properties: HashIsOfTheFlow)
//   skb_cgroup_id, skb_ancestor_cgroup_id   the runner's cgroup, which ours does not ask the machine for
//   lwt_push_encap of lwt_xmit, and of segment routing headers: need the packet's route, which a test run does not have
//   lwt_seg6_*               the kernel test-runs no lwt_seg6local program
//   clone_redirect           its result, where the machine's loopback is down
//   skb_change_head of a segmented packet beyond KMALLOC_MAX_SIZE: the allocator's limit
#include <algorithm>
#include <random>

#include "skb_run.h"

namespace forager::syscall::testing {
namespace {

using Random = std::mt19937;

template <class T>
T pick(Random& random, std::initializer_list<T> from) {
  return from.begin()[random() % from.size()];
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  std::ranges::generate(bytes, [&] { return static_cast<std::uint8_t>(random()); });
  return bytes;
}

// ---- packets ----

void put16(Bytes& packet, std::size_t at, std::uint32_t value) {
  if (at + 2 > packet.size()) return;
  packet[at] = static_cast<std::uint8_t>(value >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(value);
}

// Mostly IPv4 and IPv6, with and without VLAN tags, of all lengths from 14 bytes on.
Bytes random_packet(Random& random) {
  const std::size_t size = random() % 4 == 0 ? 14 + random() % 60 : 60 + random() % 400;
  Bytes packet = random_bytes(random, size);
  const auto destination = pick<int>(random, {0, 0xff, 1, 2, -1});
  for (std::size_t i = 0; i < 6 && destination >= 0; ++i) packet[i] = static_cast<std::uint8_t>(destination);
  std::size_t at = 12;
  for (unsigned tags = random() % 4; tags > 1; --tags, at += 4) put16(packet, at, pick(random, {0x8100, 0x88a8}));
  const auto type = pick(random, {0x800, 0x800, 0x800, 0x86dd, 0x86dd, 0x806, 0x100, 0x5ff});
  put16(packet, at, static_cast<std::uint32_t>(type));
  if (type == 0x100 && random() % 2 == 0) put16(packet, at + 2, 0xffff);
  if (at + 2 < packet.size()) packet[at + 2] = type == 0x86dd ? 0x60 : 0x45;
  return packet;
}

__sk_buff random_context(Random& random) {
  __sk_buff context{};
  if (random() % 4 != 0) return context;
  context.mark = static_cast<__u32>(random());
  context.priority = static_cast<__u32>(random());
  context.cb[4] = static_cast<__u32>(random());
  context.tstamp = random();
  context.gso_segs = random() % 4;
  context.gso_size = random() % 3 == 0 ? 1000 : 0;
  context.hwtstamp = random();
  return context;
}

// ---- programs ----

constexpr const char* kFold = "r7 *= 31\nr7 += r0\n";

// Loads a field and folds it.
std::string look(std::size_t offset, const char* type = "u32") {
  return fmt::format("r0 = *({} *)(r6 +{})\n{}", type, offset, kFold);
}

std::string look_at_all(unsigned type) {
  std::string text;
  for (const std::size_t offset :
       {offsetof(__sk_buff, len), offsetof(__sk_buff, pkt_type), offsetof(__sk_buff, queue_mapping),
        offsetof(__sk_buff, protocol), offsetof(__sk_buff, vlan_present), offsetof(__sk_buff, vlan_tci),
        offsetof(__sk_buff, vlan_proto), offsetof(__sk_buff, priority), offsetof(__sk_buff, ingress_ifindex),
        offsetof(__sk_buff, ifindex), offsetof(__sk_buff, tc_index), offsetof(__sk_buff, hash),
        offsetof(__sk_buff, napi_id), offsetof(__sk_buff, gso_segs), offsetof(__sk_buff, gso_size)}) {
    text += look(offset);
  }
  if (type != BPF_PROG_TYPE_SCHED_CLS) return text;
  return text + look(offsetof(__sk_buff, tc_classid)) + look(offsetof(__sk_buff, wire_len)) +
         look(offsetof(__sk_buff, tstamp_type), "u8") + look(offsetof(__sk_buff, tstamp), "u64");
}

// Random memory of 64 bytes at r10 - 64.
std::string fill_stack(Random& random) {
  std::string text;
  for (int i = 8; i <= 64; i += 4)
    text += fmt::format("*(u32 *)(r10 -{}) = {}\n", i, static_cast<std::int32_t>(random()));
  return text + "*(u32 *)(r10 -4) = 5\n";
}
std::string fold_stack() {
  std::string text;
  for (int i = 8; i <= 64; i += 8) text += fmt::format("r0 = *(u64 *)(r10 -{})\n{}", i, kFold);
  return text;
}

std::string call(const std::string& name, std::initializer_list<std::string> arguments) {
  std::string text = "r1 = r6\n";
  int number = 2;
  for (const std::string& argument : arguments) {
    text += argument == "stack" ? fmt::format("r{0} = r10\nr{0} += -64\n", number)
                                : fmt::format("r{} = {}\n", number, argument);
    ++number;
  }
  return text + "call bpf_" + name + "\n" + kFold;
}
template <class T>
std::string str(T value) {
  return fmt::format("{}", value);
}

std::string whole(unsigned type, const std::string& body, std::uint32_t verdict = 0) {
  const std::string narrow = type == BPF_PROG_TYPE_CGROUP_SKB ? "1" : str(verdict);
  return "r6 = r1\nr7 = 0\n" + body + look_at_all(type) +
         fmt::format("*(u32 *)(r6 +{}) = r7\nr7 >>= 32\n*(u32 *)(r6 +{}) = r7\nr0 = {}\nexit", offsetof(__sk_buff, cb),
                     offsetof(__sk_buff, cb) + 4, narrow);
}

// ---- one call of each family with random arguments ----

std::string any_offset(Random& random) {
  return str(random() % 8 == 0 ? pick<int>(random, {-1, 0xffff, 0x10000, INT32_MAX, INT32_MIN})
                               : static_cast<int>(random() % 80));
}
std::string any_size(Random& random) { return str(1 + random() % 64); }
std::string any_flags(Random& random, unsigned mask) {
  return str(random() % 8 == 0 ? static_cast<std::int32_t>(random()) : static_cast<std::int32_t>(random() & mask));
}
std::string any_word(Random& random) { return str(static_cast<std::int32_t>(random())); }

std::string load_call(Random& random) {
  const std::string text = fill_stack(random);
  if (random() % 2 == 0)
    return text + call("skb_load_bytes", {any_offset(random), "stack", any_size(random)}) + fold_stack();
  return text + call("skb_load_bytes_relative", {any_offset(random), "stack", any_size(random), str(random() % 3)}) +
         fold_stack();
}
std::string load_bytes_call(Random& random) {
  return fill_stack(random) + call("skb_load_bytes", {any_offset(random), "stack", any_size(random)}) + fold_stack();
}
std::string store_call(Random& random) {
  return fill_stack(random) +
         call("skb_store_bytes", {any_offset(random), "stack", any_size(random), any_flags(random, 3)});
}
std::string pull_call(Random& random) { return call("skb_pull_data", {any_offset(random)}); }

std::string checksum_call(Random& random) {
  const std::string size = str(pick(random, {0, 2, 4, 2, 4, 1, 3, 15}));
  const std::string from = random() % 2 == 0 ? "0" : any_word(random);
  if (random() % 2 == 0) return call("l3_csum_replace", {any_offset(random), from, any_word(random), size});
  const int flags = pick(random, {0, 2, 4, 3}) | static_cast<int>(random() % 8) << 4;
  return call("l4_csum_replace", {any_offset(random), from, any_word(random), str(flags)});
}
std::string checksum_state_call(Random& random) {
  if (random() % 4 == 0) return call("csum_update", {any_word(random)});
  return call("csum_level", {str(random() % 5)});
}
std::string tail_call(Random& random) {
  return call("skb_change_tail",
              {str(pick<unsigned>(random, {static_cast<unsigned>(random() % 600), 13, 14, 16064, 16065, 40})),
               str(static_cast<int>(random() % 16 == 0))});
}
std::string head_call(Random& random) {
  return call("skb_change_head", {str(pick<int>(random, {static_cast<int>(random() % 300), 0, 4, 14, -1, 20000})),
                                  str(static_cast<int>(random() % 16 == 0))});
}
std::string vlan_call(Random& random) {
  if (random() % 2 == 0) return call("skb_vlan_pop", {});
  return call("skb_vlan_push", {str(pick(random, {0x0081, 0xa888, 0, 8})), any_word(random)});
}
std::string proto_call(Random& random) {
  return call("skb_change_proto",
              {str(pick(random, {0x0008, 0xdd86, 0xdd86, 0x0608})), str(static_cast<int>(random() % 16 == 0))});
}
std::string room_call(Random& random) {
  const int change = pick<int>(random, {20, -20, 40, -40, 28, 42, 60, 4, -4, 0, 1, -1, 0xfff, 0x1000, -0x1000,
                                        static_cast<int>(random() % 400) - 200});
  static constexpr unsigned kFlags[] = {0,
                                        0,
                                        1,
                                        2,
                                        4,
                                        2 | 8,
                                        2 | 16,
                                        4 | 8,
                                        4 | 16,
                                        8,
                                        24 | 2,
                                        6,
                                        32,
                                        2 | 32,
                                        64 | 2 | (14U << 24),
                                        64 | 2 | 16 | (14U << 24),
                                        2 | (8U << 24),
                                        128,
                                        256,
                                        384,
                                        128 | 32,
                                        2 | 128,
                                        1U << 9,
                                        1U << 23};
  const auto flags = kFlags[random() % std::size(kFlags)];
  return fmt::format("r4 = {} ll\n", flags) + "r1 = r6\n" +
         fmt::format("r2 = {}\nr3 = {}\ncall bpf_skb_adjust_room\n{}", change, pick(random, {0, 0, 1, 1, 2}), kFold);
}
std::string type_call(Random& random) { return call("skb_change_type", {str(random() % 6)}); }
std::string stamp_call(Random& random) {
  return call("skb_set_tstamp", {random() % 3 == 0 ? "0" : any_word(random), str(random() % 4)});
}
std::string hash_call(Random& random) {
  if (random() % 2 == 0) return call("set_hash_invalid", {});
  return call("set_hash", {any_word(random)});
}
std::string ecn_call(Random&) { return call("skb_ecn_set_ce", {}); }
std::string redirect_call(Random& random) {
  const char* tail = "r1 = 1\nr2 = {}\ncall bpf_{}\n{}";
  if (random() % 3 == 0) {
    return fill_stack(random) +
           fmt::format("r1 = 1\nr2 = r10\nr2 += -64\nr3 = {}\nr4 = {}\ncall bpf_redirect_neigh\n{}",
                       pick(random, {20, 16, 24}), str(static_cast<int>(random() % 4 == 0)), kFold);
  }
  return fmt::format(fmt::runtime(tail), any_flags(random, 1), pick(random, {"redirect", "redirect_peer"}), kFold);
}
std::string tunnel_call(Random& random) {
  const std::string size = str(pick(random, {44, 44, 44, 28, 24, 22, 8, 43, 12}));
  switch (random() % 4) {
    case 0:
      return fill_stack(random) + (random() % 2 == 0 ? "*(u32 *)(r10 -40) = 0\n*(u16 *)(r10 -42) = 0\n" : "") +
             call("skb_set_tunnel_key", {"stack", size, any_flags(random, 31)});
    case 1:
      return fill_stack(random) + call("skb_get_tunnel_key", {"stack", size, any_flags(random, 17)}) + fold_stack();
    case 2:
      return fill_stack(random) + call("skb_set_tunnel_opt", {"stack", str(1 + random() % 60)});
    default:
      return fill_stack(random) + call("skb_get_tunnel_opt", {"stack", str(1 + random() % 64)}) + fold_stack();
  }
}
std::string stateless_call(Random& random) {
  switch (random() % 3) {
    case 0:
      return call("get_route_realm", {});
    case 1:
      return call("skb_cgroup_classid", {});
    default:
      return fill_stack(random) + call("skb_get_xfrm_state", {str(random() % 2), "stack", any_size(random), "0"}) +
             fold_stack();
  }
}
std::string field_store(Random& random) {
  static constexpr std::size_t kFields[] = {offsetof(__sk_buff, mark),          offsetof(__sk_buff, priority),
                                            offsetof(__sk_buff, queue_mapping), offsetof(__sk_buff, tc_index),
                                            offsetof(__sk_buff, tc_classid),    offsetof(__sk_buff, cb) + 8};
  const int value = random() % 2 == 0 ? static_cast<int>(random()) : static_cast<int>(random() % 0x10000);
  return fmt::format("r0 = {}\n*(u32 *)(r6 +{}) = r0\n", value, kFields[random() % std::size(kFields)]);
}
std::string lwt_call(Random& random) {
  std::string text = fill_stack(random);
  text += fmt::format("*(u8 *)(r10 -64) = {}\n", pick(random, {0x45, 0x46, 0x60, 0x4f, 0x41, 0x20}));
  if (random() % 2 == 0) text += "*(u16 *)(r10 -54) = 0\n";
  return text + call("lwt_push_encap", {str(pick(random, {2, 2, 2, 3})), "stack", str(1 + random() % 64)});
}
// Legacy loads; a failing one ends the program with 0.
std::string legacy_load(Random& random) {
  static constexpr int kBases[] = {0, 0, -0x100000, -0x200000, -0x1000};
  const int offset = kBases[random() % std::size(kBases)] + static_cast<int>(random() % 64);
  const char* size = pick(random, {"u8", "u16", "u32"});
  if (random() % 2 == 0) return fmt::format("r0 = *({} *)skb[{}]\n{}", size, offset, kFold);
  return fmt::format("r8 = {}\nr0 = *({} *)skb[r8 + {}]\n{}", offset / 2, size, offset - offset / 2, kFold);
}

using Generator = std::string (*)(Random&);

class SkbHelpers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!why_no_kernel().empty()) GTEST_SKIP() << "no kernel to compare with: " << why_no_kernel();
    utsname name{};
    int major = 0, minor = 0;
    ASSERT_EQ(uname(&name), 0);
    ASSERT_EQ(std::sscanf(name.release, "%d.%d", &major, &minor), 2);
    if (std::pair(major, minor) < std::pair(6, 16)) GTEST_SKIP() << "the helpers are those of Linux 6.16 and later";
  }

  void compare(const SkbTest& test) {
    const SkbOutcome kernel = run_skb(kernel_, test);
    ASSERT_EQ(run_skb(ours_, test), kernel) << test.text << "\npacket of " << test.packet.size() << ": "
                                            << fmt::format("{:02x}", fmt::join(test.packet, " "));
  }

  void compare_random(unsigned seed, unsigned type, const std::vector<Generator>& generators, int rounds = 60,
                      unsigned flags = 0) {
    Random random(seed);
    for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
      std::string body;
      for (unsigned calls = 1 + random() % 5; calls > 0; --calls)
        body += generators[random() % generators.size()](random);
      compare({.type = type,
               .text = whole(type, body),
               .packet = random_packet(random),
               .with_context = true,
               .context = random_context(random),
               .flags = flags});
    }
  }

  OurSystem ours_;
  KernelSystem kernel_;
};

constexpr unsigned kChecksumComplete = 1U << 2;

TEST_F(SkbHelpers, FieldsOfAllTypesAgree) {
  Random random(1);
  for (const unsigned type :
       {BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SCHED_ACT, BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_CGROUP_SKB,
        BPF_PROG_TYPE_LWT_IN, BPF_PROG_TYPE_LWT_OUT, BPF_PROG_TYPE_LWT_XMIT}) {
    for (int round = 0; round < 40 && !HasFatalFailure(); ++round) {
      compare({.type = type,
               .text = whole(type, "", 3),
               .packet = random_packet(random),
               .with_context = round % 4 != 0,
               .context = random_context(random)});
    }
  }
}

TEST_F(SkbHelpers, StoresIntoFieldsAgree) { compare_random(2, BPF_PROG_TYPE_SCHED_CLS, {field_store}); }
TEST_F(SkbHelpers, BytesAgree) {
  compare_random(3, BPF_PROG_TYPE_SCHED_CLS, {load_call, store_call, pull_call});
  compare_random(4, BPF_PROG_TYPE_SOCKET_FILTER, {load_call});
  compare_random(5, BPF_PROG_TYPE_CGROUP_SKB, {load_call});
  compare_random(6, BPF_PROG_TYPE_LWT_XMIT, {load_bytes_call, store_call, pull_call});
}
TEST_F(SkbHelpers, LegacyLoadsAgree) {
  compare_random(7, BPF_PROG_TYPE_SOCKET_FILTER, {legacy_load});
  compare_random(8, BPF_PROG_TYPE_SCHED_CLS, {legacy_load, room_call});
}
TEST_F(SkbHelpers, ChecksumsAgree) {
  compare_random(9, BPF_PROG_TYPE_SCHED_CLS, {checksum_call, checksum_state_call}, 150);
  compare_random(10, BPF_PROG_TYPE_SCHED_CLS, {checksum_call, checksum_state_call, store_call}, 150, kChecksumComplete);
}
TEST_F(SkbHelpers, SizesAgree) {
  compare_random(11, BPF_PROG_TYPE_SCHED_CLS, {tail_call, head_call}, 100);
  compare_random(12, BPF_PROG_TYPE_LWT_XMIT, {tail_call, head_call});
  compare_random(13, BPF_PROG_TYPE_SCHED_CLS, {tail_call, store_call}, 100, kChecksumComplete);
}
TEST_F(SkbHelpers, VlanTagsAgree) {
  compare_random(14, BPF_PROG_TYPE_SCHED_CLS, {vlan_call, vlan_call, ecn_call}, 150);
  compare_random(15, BPF_PROG_TYPE_SCHED_CLS, {vlan_call}, 100, kChecksumComplete);
}
TEST_F(SkbHelpers, RoomAgrees) {
  compare_random(16, BPF_PROG_TYPE_SCHED_CLS, {room_call}, 80);
  compare_random(17, BPF_PROG_TYPE_SCHED_CLS, {room_call, proto_call}, 100, kChecksumComplete);
}
TEST_F(SkbHelpers, TranslationAgrees) { compare_random(18, BPF_PROG_TYPE_SCHED_CLS, {proto_call, ecn_call}, 80); }
TEST_F(SkbHelpers, TunnelKeysAgree) { compare_random(19, BPF_PROG_TYPE_SCHED_CLS, {tunnel_call}, 150); }
TEST_F(SkbHelpers, NotesAgree) {
  compare_random(20, BPF_PROG_TYPE_SCHED_CLS, {type_call, stamp_call, hash_call, ecn_call, stateless_call}, 100);
  compare_random(21, BPF_PROG_TYPE_CGROUP_SKB, {ecn_call}, 100);
}
TEST_F(SkbHelpers, RedirectsAgree) { compare_random(22, BPF_PROG_TYPE_SCHED_CLS, {redirect_call}); }
TEST_F(SkbHelpers, EncapsulationOfRoutesAgrees) { compare_random(23, BPF_PROG_TYPE_LWT_IN, {lwt_call}, 100); }
TEST_F(SkbHelpers, LongSequencesAgree) {
  const std::vector<Generator> all = {load_call, store_call,  pull_call,  checksum_call, tail_call,
                                      head_call, vlan_call,   proto_call, room_call,     type_call,
                                      hash_call, tunnel_call, ecn_call,   field_store,   checksum_state_call};
  compare_random(25, BPF_PROG_TYPE_SCHED_CLS, all, 100);
}

// ---- the call itself ----

TEST_F(SkbHelpers, TestRunsCheckTheirAttributes) {
  const std::string text = whole(BPF_PROG_TYPE_SCHED_CLS, "");
  for (const std::size_t size : {std::size_t{13}, std::size_t{14}, std::size_t{3712}, std::size_t{3713}}) {
    compare({.text = text, .packet = Bytes(size)});
  }
  for (std::size_t offset = 0; offset < sizeof(__sk_buff); offset += 4) {
    SkbTest test{.text = text, .packet = Bytes(64)};
    const std::uint32_t value = offset == offsetof(__sk_buff, wire_len) ? 100 : 1;
    std::memcpy(reinterpret_cast<std::byte*>(&test.context) + offset, &value, sizeof value);
    compare(test);
  }
  for (const std::uint32_t wire : {63U, 64U, 65536U, 65537U}) {
    SkbTest test{.text = text, .packet = Bytes(64)};
    test.context.wire_len = wire;
    compare(test);
  }
  for (const unsigned flags : {1U, 2U, 4U, 8U}) compare({.text = text, .packet = Bytes(64), .flags = flags});
  SkbTest segments{.text = text, .packet = Bytes(64)};
  segments.context.gso_segs = 65536;
  compare(segments);
}

TEST_F(SkbHelpers, ChangesOfRepeatedRunsAddUp) {
  Random random(26);
  for (const unsigned repeat : {0U, 1U, 5U}) {
    compare({.text = whole(BPF_PROG_TYPE_SCHED_CLS, call("skb_change_head", {"3", "0"})),
             .packet = random_packet(random),
             .repeat = repeat});
  }
}

// Both directions of a flow have one hash, which is not 0; another flow has another.
TEST_F(SkbHelpers, HashIsOfTheFlow) {
  const std::string text = whole(BPF_PROG_TYPE_SCHED_CLS, call("get_hash_recalc", {}));
  const auto hash = [&](System& system, std::uint8_t source, std::uint8_t destination) {
    Bytes packet(64);
    put16(packet, 12, 0x800);
    packet[14] = 0x45;
    packet[23] = 17;
    packet[29] = source;
    packet[33] = destination;
    const SkbOutcome outcome = run_skb(system, {.text = text, .packet = packet});
    std::uint64_t folded = 0;
    std::memcpy(&folded, outcome.context.data() + offsetof(__sk_buff, cb), sizeof folded);
    return folded;
  };
  for (System* system : {static_cast<System*>(&ours_), static_cast<System*>(&kernel_)}) {
    EXPECT_EQ(hash(*system, 1, 2), hash(*system, 2, 1));
    EXPECT_NE(hash(*system, 1, 2), hash(*system, 1, 3));
  }
}

}  // namespace
}  // namespace forager::syscall::testing

// SPDX-License-Identifier: Apache-2.0
//
// Packets that helpers make longer or shorter on the OpenCL device, held against the interpreter: VLAN tags, room for
// headers, both ends, and any of these one after the other.
#include "opencl_skb_testing.h"

namespace forager::jit::opencl::testing {
namespace {

class OpenclSkbSizes : public OpenclSkb {};

TEST_F(OpenclSkbSizes, PushesAndPopsTags) {
  compare(kClassifier, for_fields, call("skb_vlan_push", {"cb0", "cb1"}) + call("skb_vlan_push", {"43144", "cb2"}));
  compare(kClassifier, for_fields, call("skb_vlan_pop", {}) + call("skb_vlan_pop", {}));
  compare(kClassifier, for_fields,
          call("skb_vlan_push", {"129", "cb1"}) + call("skb_vlan_push", {"cb0", "7"}) + call("skb_vlan_pop", {}) +
              call("skb_ecn_set_ce", {}));
}

TEST_F(OpenclSkbSizes, MakesRoom) {
  compare(kClassifier, for_sizes, call("skb_adjust_room", {"cb0", "cb1", "wide"}));
  compare(kClassifier, for_sizes,
          call("skb_adjust_room", {"cb0", "1", "cb2"}) + call("skb_adjust_room", {"20", "cb1", "cb2"}) +
              call("skb_change_tail", {"cb4", "0"}));
  compare(ProgType::sk_skb, for_sizes, call("skb_adjust_room", {"cb0", "0", "0"}));
}

TEST_F(OpenclSkbSizes, ChangesLengths) {
  compare(kClassifier, for_sizes, call("skb_change_tail", {"cb4", "0"}) + call("skb_change_tail", {"cb4", "cb1"}));
  compare(ProgType::lwt_xmit, for_sizes, call("skb_change_head", {"300", "0"}) + call("skb_change_head", {"cb1", "0"}));
  compare(kClassifier, for_sizes,
          argument(8, "cb4") + "if r8 > 16000 goto +8\nr1 = r6\nr2 = r8\nr3 = 0\ncall bpf_skb_change_head\n" + kFold);
}

TEST_F(OpenclSkbSizes, TranslatesProtocols) {
  compare(kClassifier, for_fields, call("skb_change_proto", {"56710", "0"}) + call("skb_change_proto", {"cb0", "0"}));
  compare(kClassifier, for_fields, call("skb_change_proto", {"8", "cb1"}) + call("skb_change_proto", {"8", "0"}));
}

TEST_F(OpenclSkbSizes, PushesTunnelHeaders) {
  for (const ProgType type : {ProgType::lwt_in, ProgType::lwt_xmit}) {
    const std::string header =
        argument(2, "cb0") + "*(u8 *)(r10 - 64) = r2\n" + argument(2, "cb3") + "*(u16 *)(r10 - 54) = r2\n";
    compare(type, for_headers,
            fill_stack() + header + argument(8, "cb1") + "if r8 > 64 goto +11\nif r8 < 1 goto +10\nr1 = r6\n" +
                argument(2, "cb2") + "r3 = r10\nr3 += -64\nr4 = r8\ncall bpf_lwt_push_encap\n" + kFold + "r0 = 0\n");
  }
  compare(ProgType::lwt_seg6local, for_headers,
          fill_stack() + call("lwt_seg6_store_bytes", {"0", "stack", "8"}) + call("lwt_seg6_adjust_srh", {"0", "8"}) +
              call("lwt_seg6_action", {"1", "stack", "8"}));
}

TEST_F(OpenclSkbSizes, DoesOneAfterTheOther) {
  compare(kClassifier, for_sizes,
          fill_stack() + call("skb_vlan_pop", {}) + call("skb_adjust_room", {"cb0", "cb1", "cb2"}) +
              call("skb_store_bytes", {"14", "stack", "20", "3"}) + call("skb_change_proto", {"8", "0"}) +
              call("skb_change_head", {"14", "0"}) + call("l4_csum_replace", {"24", "0", "cb0", "16"}) +
              call("skb_vlan_push", {"129", "3"}) + call("skb_change_tail", {"cb4", "0"}) +
              call("skb_vlan_push", {"129", "4"}) + call("get_hash_recalc", {}) + call("skb_pull_data", {"30"}));
}

std::string any_call(Random& random) {
  const std::string kinds[] = {
      call("skb_vlan_push", {"129", "cb4"}),
      call("skb_vlan_push", {"43144", "cb0"}),
      call("skb_vlan_pop", {}),
      call("skb_adjust_room", {"cb0", "cb1", "cb2"}),
      call("skb_adjust_room", {"20", "1", "wide"}),
      call("skb_adjust_room", {"-20", "1", "0"}),
      call("skb_change_proto", {"8", "0"}),
      call("skb_change_proto", {"56710", "0"}),
      call("skb_change_tail", {"cb4", "0"}),
      call("skb_change_tail", {"100", "0"}),
      call("skb_change_head", {"14", "0"}),
      call("skb_store_bytes", {"14", "stack", "20", "3"}),
      call("skb_store_bytes", {"cb4", "stack", "9", "1"}),
      call("skb_load_bytes", {"cb4", "stack", "33"}),
      call("skb_load_bytes_relative", {"6", "stack", "20", "1"}),
      call("l4_csum_replace", {"24", "cb0", "cb4", "20"}),
      call("l3_csum_replace", {"24", "0", "cb4", "0"}),
      call("csum_update", {"cb4"}),
      call("csum_level", {"1"}),
      call("get_hash_recalc", {}),
      call("skb_ecn_set_ce", {}),
      call("skb_pull_data", {"cb4"}),
      call("clone_redirect", {"1", "0"}),
  };
  return kinds[random() % std::size(kinds)];
}

TEST_F(OpenclSkbSizes, DoesAnyOneAfterAnyOther) {
  static unsigned seed = 0;
  Random random(++seed);
  for (unsigned programs = 0; programs < 2; ++programs) {
    std::string text = fill_stack();
    for (unsigned calls = 0; calls < 10; ++calls) text += any_call(random);
    compare(kClassifier, for_sizes, text + fold_stack());
    if (HasFatalFailure()) return;
  }
}

// The second program goes on with the packet as the first one left it.
TEST_F(OpenclSkbSizes, CallsTails) {
  const auto programs = std::make_shared<exec::testing::FakePrograms>();
  const std::string second =
      kStart + call("clone_redirect", {"1", "0"}) + call("skb_vlan_push", {"129", "5"}) + "r0 = 1\nexit";
  ASSERT_EQ(programs->set(1, {.program = exec::testing::verified({.type = kClassifier}, second),
                              .maps = std::make_shared<const std::vector<exec::testing::MapRef>>()}),
            0);
  const std::string first =
      "r6 = r1\n*(u32 *)(r6 + 8) = 77\nr2 = map[programs] ll\nr3 = *(u32 *)(r6 + 48)\ncall bpf_tail_call\nr0 = 2\nexit";
  auto expected = packets(5, kClassifier, for_fields), actual = packets(5, kClassifier, for_fields);
  exec::testing::Rig rig{.type = kClassifier, .maps = {programs}};
  ASSERT_TRUE(exec::testing::open_device(rig, first)->run(expected));
  rig.engine = opencl_here();
  ASSERT_TRUE(exec::testing::open_device(rig, first)->run(actual));
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(difference_of_skbs(expected[i], actual[i]), "") << i;
}

TEST_F(OpenclSkbSizes, StopsPacketsThatOutgrowTheirRoom) {
  auto frames = packets(1, kClassifier, for_fields, 8);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i].skb->encapsulation = false;
    exec::set(frames[i], offsetof(__sk_buff, gso_size), std::uint32_t{1000});
    exec::set(frames[i], offsetof(__sk_buff, cb), std::uint32_t{i % 2 == 0 ? 100'000U : 100U});
  }
  run_on(*opencl_here(), kClassifier, whole(kClassifier, call("skb_change_head", {"cb0", "0"}), 1), true, frames);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i % 2 != 0) {
      EXPECT_EQ(frames[i].results().trap, nullptr);
    } else {
      EXPECT_THAT(exec::testing::trap_of(frames[i]), ::testing::HasSubstr("grows beyond the room"));
    }
  }
}

}  // namespace
}  // namespace forager::jit::opencl::testing

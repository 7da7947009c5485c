// SPDX-License-Identifier: Apache-2.0
//
// Programs that see a __sk_buff on the OpenCL device, held against the interpreter: fields, legacy packet access,
// bytes, checksums, hashes, redirects, tunnels, sockets. Packets and arguments are random, with a fixed seed for each
// test; frames are used where the host has them, and copied.
#include "opencl_skb_testing.h"

namespace forager::jit::opencl::testing {
namespace {

TEST_F(OpenclSkb, ReadsFields) {
  std::string text;
  for (const int offset : {0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 68, 72, 84, 160, 164, 176}) {
    text += fmt::format("r0 = *(u32 *)(r6 + {})\n{}", offset, kFold);
    text += fmt::format("r0 = *(u16 *)(r6 + {})\n{}r0 = *(u8 *)(r6 + {})\n{}", offset + 2, kFold, offset + 1, kFold);
  }
  text += fmt::format("r0 = *(u64 *)(r6 + 152)\n{0}r0 = *(u8 *)(r6 + 180)\n{0}r0 = *(u64 *)(r6 + 48)\n{0}", kFold);
  text += fmt::format("r1 = *(u32 *)(r6 + 76)\nr0 = *(u32 *)(r6 + 80)\nr0 -= r1\n{}", kFold);
  compare(kClassifier, for_fields, text);
}

TEST_F(OpenclSkb, WritesFields) {
  std::string text;
  for (const int offset : {8, 12, 32, 44, 72}) {
    text += argument(2, fmt::format("cb{}", offset / 8 % 5)) + fmt::format("*(u32 *)(r6 + {}) = r2\n", offset);
    text += fmt::format("r0 = *(u32 *)(r6 + {})\n{}", offset, kFold);
  }
  text += "*(u64 *)(r6 + 152) = -5\n*(u8 *)(r6 + 57) = 7\n*(u16 *)(r6 + 62) = r2\n*(u32 *)(r6 + 12) = 65534\n";
  compare(kClassifier, for_fields, text);
  compare(ProgType::cgroup_skb, for_fields, "r0 = *(u32 *)(r6 + 8)\nr0 += 3\n*(u32 *)(r6 + 8) = r0\n");
}

TEST_F(OpenclSkb, LoadsAsTheOldBpfDid) {
  for (const ProgType type : {ProgType::socket_filter, kClassifier}) {
    compare(type, by_index,
            argument(8, "cb0") + "r0 = *(u8 *)skb[r8 + 0]\n" + kFold + argument(8, "cb1") +
                "r0 = *(u16 *)skb[r8 + 1]\n" + kFold + argument(8, "cb2") + "r0 = *(u32 *)skb[r8 + -2]\n" + kFold +
                "r0 = *(u16 *)skb[12]\n" + kFold);
  }
}

TEST_F(OpenclSkb, LoadsAndStoresBytes) {
  compare(ProgType::cgroup_skb, by_offset,
          fill_stack() + call("skb_load_bytes", {"cb0", "stack", "5"}) + fold_stack() +
              call("skb_load_bytes", {"cb1", "stack", "64"}) + fold_stack() +
              call("skb_load_bytes_relative", {"cb0", "stack", "13", "cb4"}) + fold_stack());
  compare(kClassifier, by_offset,
          fill_stack() + call("skb_store_bytes", {"cb0", "stack", "7", "cb3"}) +
              call("skb_store_bytes", {"cb1", "stack", "32", "1"}) + call("skb_pull_data", {"cb1"}) +
              call("skb_store_bytes", {"cb1", "stack", "1", "cb2"}));
  compare(ProgType::lwt_in, by_offset, call("skb_pull_data", {"cb0"}));
}

TEST_F(OpenclSkb, ReplacesChecksums) {
  compare(kClassifier, for_checksums, call("l3_csum_replace", {"cb0", "cb1", "cb2", "cb3"}));
  compare(kClassifier, for_checksums, call("l4_csum_replace", {"cb0", "cb1", "cb2", "cb4"}));
  compare(ProgType::lwt_xmit, for_checksums, call("l4_csum_replace", {"cb0", "0", "cb2", "cb4"}));
}

TEST_F(OpenclSkb, KeepsTheStacksSum) {
  compare(kClassifier, for_fields,
          call("csum_update", {"cb0"}) + call("csum_level", {"cb1"}) + call("csum_level", {"cb2"}) +
              call("csum_level", {"0"}) + call("csum_update", {"cb3"}));
}

TEST_F(OpenclSkb, NotesWhatTheStackDoes) {
  compare(kClassifier, for_fields,
          call("skb_change_type", {"cb0"}) + call("skb_set_tstamp", {"cb1", "cb2"}) + call("skb_ecn_set_ce", {}) +
              call("get_route_realm", {}) + fill_stack() + call("skb_get_xfrm_state", {"0", "stack", "20", "0"}) +
              fold_stack());
  compare(ProgType::cgroup_skb, for_fields, call("skb_ecn_set_ce", {}));
}

TEST_F(OpenclSkb, HashesFlows) {
  compare(kClassifier, for_fields,
          call("get_hash_recalc", {}) + call("set_hash_invalid", {}) + call("get_hash_recalc", {}) +
              call("set_hash", {"cb0"}) + call("get_hash_recalc", {}));
  compare(ProgType::lwt_out, for_fields, call("get_hash_recalc", {}));
}

TEST_F(OpenclSkb, RedirectsAndClones) {
  compare(kClassifier, for_fields, call("redirect", {"cb0", "cb1"}, false), 7);
  compare(kClassifier, for_fields, call("redirect_peer", {"cb0", "cb1"}, false), 7);
  compare(
      kClassifier, for_fields,
      fill_stack() + call("redirect", {"9", "0"}, false) + call("redirect_neigh", {"cb0", "stack", "24", "cb1"}, false),
      7);
  compare(kClassifier, for_fields,
          call("clone_redirect", {"cb0", "cb1"}) + call("skb_vlan_push", {"0", "5"}) +
              call("clone_redirect", {"3", "1"}) + call("skb_change_tail", {"14", "0"}) +
              call("clone_redirect", {"1", "0"}));
  compare(ProgType::lwt_xmit, for_fields, call("clone_redirect", {"1", "0"}));
}

TEST_F(OpenclSkb, KnowsWhoseThePacketIs) {
  compare(kClassifier, for_fields,
          call("get_socket_cookie", {}) + call("get_socket_uid", {}) + call("get_netns_cookie", {}) +
              call("get_netns_cookie", {"0"}, false) + call("skb_cgroup_id", {}) + call("skb_cgroup_classid", {}));
}

TEST_F(OpenclSkb, WorksWithTunnels) {
  for (const char* const size : {"44", "28", "8", "12"}) {
    const std::string keys = fill_stack() + "*(u16 *)(r10 - 42) = 0\n" + call("skb_get_tunnel_opt", {"stack", "12"}) +
                             fill_stack() + "*(u16 *)(r10 - 42) = 0\n" + argument(2, "cb3") +
                             "r2 &= 1\n*(u32 *)(r10 - 40) = r2\n" + call("skb_set_tunnel_key", {"stack", size, "cb0"}) +
                             call("skb_get_tunnel_key", {"stack", size, "cb1"}) + fold_stack();
    compare(kClassifier, for_fields,
            keys + call("skb_set_tunnel_opt", {"stack", "20"}) + call("skb_set_tunnel_opt", {"stack", "7"}) +
                call("skb_get_tunnel_opt", {"stack", "64"}) + fold_stack() +
                call("skb_get_tunnel_opt", {"stack", "16"}) + call("skb_get_tunnel_key", {"stack", "44", "cb4"}) +
                fold_stack());
  }
}

// Segments may be as long as memory, which frames do not get.
std::string refusal_of(ProgType type, const std::string& text) {
  const auto program = exec::testing::verified({.type = type}, text);
  const auto image = opencl::backend().compile(program, {});
  return image ? "" : image.error().text();
}

TEST_F(OpenclSkb, RefusesWhatHasNoEnd) {
  using ::testing::HasSubstr;
  const std::string loop =
      "r6 = r1\nr7 = 0\nagain: r1 = r6\nr2 = 129\nr3 = {0}\ncall bpf_{1}\nr7 += 1\n"
      "if r7 < 4 goto again\nr0 = 0\nexit";
  EXPECT_THAT(refusal_of(kClassifier, fmt::format(fmt::runtime(loop), 5, "skb_vlan_push")),
              HasSubstr("grow in a loop"));
  EXPECT_THAT(refusal_of(kClassifier, fmt::format(fmt::runtime(loop), 0, "clone_redirect")),
              HasSubstr("bpf_clone_redirect in a loop"));
  EXPECT_EQ(refusal_of(kClassifier, fmt::format(fmt::runtime(loop), 0, "skb_pull_data")), "");
  EXPECT_THAT(refusal_of(kClassifier, "r1 = *(u64 *)(r1 + 168)\nr0 = 0\nexit"), HasSubstr("field sk of the context"));
}

}  // namespace
}  // namespace forager::jit::opencl::testing

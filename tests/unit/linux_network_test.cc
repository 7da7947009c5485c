// SPDX-License-Identifier: Apache-2.0
//
// The private network: bpf_fib_lookup in the kernel answers from the environment's tables.
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <net/if.h>

#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using linux_test::Bytes;
using linux_test::Rig;
using linux_test::TestMap;
using linux_test::value_of;
using testing::HasSubstr;

constexpr std::uint32_t kIn = 11;
constexpr std::uint32_t kOut = 12;
constexpr std::uint32_t kDark = 13;  // does not forward
constexpr exec::Mac kOutMac = {2, 0, 0, 0, 0, 0x12};
constexpr exec::Mac kHopMac = {2, 0, 0, 0, 0, 0x99};

exec::Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) { return {a, b, c, d}; }
exec::Address v6(std::uint8_t last) { return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}; }

exec::FibTable table() {
  exec::FibTable table;
  table.interfaces = {{.ifindex = kIn, .mac = {2, 0, 0, 0, 0, 0x11}},
                      {.ifindex = kOut, .mac = kOutMac},
                      {.ifindex = kDark, .mac = {2, 0, 0, 0, 0, 0x13}, .forwarding = false}};
  table.routes = {{.prefix = v4(10, 1, 2, 3), .prefix_length = 16, .ifindex = kOut},  // host bits are ignored
                  {.prefix = v4(10, 2, 0, 0), .prefix_length = 16, .via = v4(192, 0, 2, 1), .ifindex = kOut},
                  {.prefix = v4(10, 3, 0, 0), .prefix_length = 16, .ifindex = kOut, .mtu = 600},
                  {.prefix = v4(10, 4, 0, 0), .prefix_length = 16, .type = exec::FibRouteType::blackhole},
                  {.prefix = v4(10, 5, 0, 0), .prefix_length = 16, .type = exec::FibRouteType::unreachable},
                  {.prefix = v4(10, 6, 0, 0), .prefix_length = 16, .type = exec::FibRouteType::prohibit},
                  {.prefix = v4(10, 7, 0, 0), .prefix_length = 16, .ifindex = kOut, .type = exec::FibRouteType::local},
                  {.ipv6 = true, .prefix = v6(0), .prefix_length = 64, .ifindex = kOut}};
  table.neighbours = {{.address = v4(10, 1, 0, 5), .mac = kHopMac, .ifindex = kOut},
                      {.address = v4(192, 0, 2, 1), .mac = kHopMac, .ifindex = kOut},
                      {.ipv6 = true, .address = v6(5), .mac = kHopMac, .ifindex = kOut}};
  return table;
}

// Looks up the query that stands in the map, and returns the helper's result + 100.
constexpr const char* kLookup = R"(
  r2 = map[m0][0]+0 ll
  r3 = 64
  r4 = 0
  call bpf_fib_lookup
  r0 += 100
  exit
)";

class LinuxFib : public testing::Test {
 protected:
  void SetUp() override {
    FORAGER_NEEDS_KERNEL();
    rig_.environment.fib = table();
    rig_.open(kLookup, {query_});
  }
  int look_up(const exec::Address& destination, bool ipv6 = false, std::uint32_t ingress = kIn,
              std::uint16_t length = 100) {
    bpf_fib_lookup query{};
    query.family = ipv6 ? 10 : 2;
    query.ifindex = ingress;
    query.tot_len = length;
    std::memcpy(query.ipv6_dst, destination.data(), ipv6 ? 16 : 4);
    query_->put(linux_test::bytes_of_value(0U), linux_test::bytes_of_value(query));
    const auto result = static_cast<int>(rig_.run().return_value) - 100;
    answer_ = query_->get<bpf_fib_lookup>(0);
    return result;
  }
  [[nodiscard]] exec::Mac dmac() const { return std::to_array(answer_.dmac); }
  [[nodiscard]] exec::Mac smac() const { return std::to_array(answer_.smac); }

  std::shared_ptr<TestMap> query_ =
      std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::array, 4, sizeof(bpf_fib_lookup), 1), 1);
  Rig rig_;
  bpf_fib_lookup answer_{};
};

TEST_F(LinuxFib, FindsConnectedHosts) {
  ASSERT_EQ(look_up(v4(10, 1, 0, 5)), BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(answer_.ifindex, kOut);
  EXPECT_EQ(dmac(), kHopMac);
  EXPECT_EQ(smac(), kOutMac);
}

TEST_F(LinuxFib, FindsGatewaysThatNoNetworkHolds) {
  ASSERT_EQ(look_up(v4(10, 2, 200, 1)), BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(answer_.ipv4_dst, value_of<__be32>(linux_test::bytes_of({192, 0, 2, 1})));
  EXPECT_EQ(dmac(), kHopMac);
}

TEST_F(LinuxFib, FindsIpv6) {
  ASSERT_EQ(look_up(v6(5), true), BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(answer_.ifindex, kOut);
  EXPECT_EQ(dmac(), kHopMac);
}

TEST_F(LinuxFib, SaysWhatIsMissing) {
  EXPECT_EQ(look_up(v4(10, 1, 0, 6)), BPF_FIB_LKUP_RET_NO_NEIGH);
  EXPECT_EQ(look_up(v6(6), true), BPF_FIB_LKUP_RET_NO_NEIGH);
  EXPECT_EQ(look_up(v4(172, 16, 0, 1)), BPF_FIB_LKUP_RET_NOT_FWDED);
  EXPECT_EQ(look_up(v4(10, 1, 0, 5), false, kDark), BPF_FIB_LKUP_RET_FWD_DISABLED);
  EXPECT_EQ(look_up(v4(10, 1, 0, 5), false, 999), -ENODEV);
}

TEST_F(LinuxFib, KnowsEveryKindOfRoute) {
  EXPECT_EQ(look_up(v4(10, 4, 0, 1)), BPF_FIB_LKUP_RET_BLACKHOLE);
  EXPECT_EQ(look_up(v4(10, 5, 0, 1)), BPF_FIB_LKUP_RET_UNREACHABLE);
  EXPECT_EQ(look_up(v4(10, 6, 0, 1)), BPF_FIB_LKUP_RET_PROHIBIT);
  EXPECT_EQ(look_up(v4(10, 7, 0, 1)), BPF_FIB_LKUP_RET_NOT_FWDED);
}

TEST_F(LinuxFib, ObeysMtus) {
  EXPECT_EQ(look_up(v4(10, 3, 0, 1), false, kIn, 601), BPF_FIB_LKUP_RET_FRAG_NEEDED);
  EXPECT_EQ(answer_.mtu_result, 600U);
  EXPECT_EQ(look_up(v4(10, 1, 0, 5), false, kIn, 1501), BPF_FIB_LKUP_RET_FRAG_NEEDED);
}

TEST(LinuxNetwork, TouchesNothingOutside) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.environment.fib = table();
  rig.open("r0 = 2\nexit\n", {}, isa::ProgType::xdp, {31337});
  EXPECT_EQ(rig.run().return_value, 2U);
  char name[IF_NAMESIZE];
  EXPECT_EQ(if_indextoname(31337, name), nullptr);
}

TEST(LinuxNetwork, StatesHowManyInterfacesItMakes) {
  FORAGER_NEEDS_KERNEL();
  std::vector<std::uint32_t> ports(1025);
  for (std::uint32_t i = 0; i < ports.size(); ++i) ports[i] = i + 2;
  const auto device = jit::linux_kernel::backend().open({.ports = ports});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, ErrorKind::limit);
  EXPECT_EQ(device.error().limit, 1024U);
}

TEST(LinuxNetwork, NamesARouteTheKernelRefuses) {
  FORAGER_NEEDS_KERNEL();
  exec::Environment environment;
  environment.fib.routes = {{.prefix = v4(10, 0, 0, 0), .prefix_length = 77, .ifindex = 5}};
  const auto device = jit::linux_kernel::backend().open({.environment = &environment});
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), HasSubstr("10.0.0.0/77"));
}

}  // namespace
}  // namespace forager

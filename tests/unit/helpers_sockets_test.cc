// SPDX-License-Identifier: Apache-2.0
//
// Helpers of sockets that the kernel cannot be asked about by a test run: lookups that must let go, maps of maps from
// programs, SYN cookies.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>

#include "exec/socket.h"
#include "exec_testing.h"
#include "helpers/functions.h"
#include "helpers/siphash.h"
#include "maps/registry.h"

namespace forager::helpers {
namespace {

using namespace exec::testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using exec::Socket;
using isa::MapType;

std::shared_ptr<Socket> listener() {
  exec::SocketAddresses any{};
  any.local_port = htons(80);
  return std::make_shared<Socket>(any, Socket::kTcp, Socket::kListen);
}

MapRef map_of(exec::MapSpec spec) {
  spec.name = "m" + std::to_string(static_cast<unsigned>(spec.type));
  auto map = maps::create(spec, 2);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

exec::Environment with_sockets(const std::vector<std::shared_ptr<Socket>>& sockets) {
  exec::Environment environment;
  environment.cpus = 2;
  environment.helpers = table();
  environment.monotonic_ns = [] { return std::uint64_t{100'000'000'000}; };
  for (const auto& socket : sockets) environment.sockets.add(socket);
  return environment;
}

std::uint64_t returned(const Rig& rig, const std::string& text) {
  const auto frame = run(rig, text);
  EXPECT_EQ(trap_of(frame), "") << text;
  return frame.return_value;
}

// Looks up the listener on port 80; it is in r6 then.
const std::string kLookUp =
    "r6 = r1\n*(u64 *)(r10 -40) = 0\n*(u64 *)(r10 -32) = 0\n*(u16 *)(r10 -30) = 20480\nr2 = r10\nr2 += -40\nr3 = 12\n"
    "r4 = -1\nr5 = 0\ncall bpf_sk_lookup_tcp\nif r0 == 0 goto none\nr6 = r0\n";
const std::string kRelease = "r1 = r6\ncall bpf_sk_release\nr0 = r7\nexit\nnone:\nr0 = 77\nexit";

TEST(HelpersSockets, AListenerIsFoundAndReleased) {
  const auto socket = listener();
  const auto environment = with_sockets({socket});
  const long before = socket.use_count();
  EXPECT_EQ(returned({.environment = &environment}, kLookUp + "r7 = *(u32 *)(r6 +72)\n" + kRelease), 10U);
  EXPECT_EQ(socket.use_count(), before) << "the program's reference has gone";
  const auto nobody = with_sockets({});
  EXPECT_EQ(returned({.environment = &nobody}, kLookUp + "r7 = 1\n" + kRelease), 77U);
}

TEST(HelpersSockets, AReleasedSocketIsOutOfReach) {
  const auto environment = with_sockets({listener()});
  const auto frame = run({.unverified = true, .environment = &environment},
                         kLookUp + "r1 = r6\ncall bpf_sk_release\nr0 = *(u32 *)(r6 +72)\nexit\nnone:\nr0 = 77\nexit");
  EXPECT_THAT(trap_of(frame), ::testing::HasSubstr("released"));
}

// XDP, classifiers, socket filters and socket lookup may; others the verifier refuses.
TEST(HelpersSockets, AProgramPutsASocketIntoItsMaps) {
  for (const MapType type : {MapType::sockmap, MapType::sockhash}) {
    const auto socket = listener();
    const auto environment = with_sockets({socket});
    const auto map = map_of({.type = type, .key_size = 4, .value_size = 8, .max_entries = 2});
    const Rig rig{.maps = {map}, .environment = &environment};
    const auto put = [&](std::uint32_t key, unsigned flags) {
      return static_cast<std::int32_t>(
          returned(rig, kLookUp +
                            fmt::format("*(u32 *)(r10 -4) = {}\nr1 = map[0] ll\nr2 = r10\nr2 += -4\nr3 = r6\nr4 = {}\n"
                                        "call bpf_map_update_elem\nr7 = r0\n",
                                        key, flags) +
                            kRelease));
    };
    const std::uint32_t key = 1;
    EXPECT_EQ(put(1, 0), 0);
    EXPECT_EQ(map->abilities().sockets->get(&key), socket);
    EXPECT_EQ(put(1, 1), -EEXIST);
    EXPECT_EQ(put(0, 2), -ENOENT);
    EXPECT_EQ(put(0, 3), -EINVAL);
    const std::string erase =
        "*(u32 *)(r10 -4) = 1\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_delete_elem\nexit";
    EXPECT_EQ(returned(rig, erase), 0U);
    EXPECT_EQ(map->abilities().sockets->get(&key), nullptr);
  }
}

TEST(HelpersSockets, OnlyListenersAndConnectionsAreRedirectedTo) {
  exec::SocketAddresses any{};
  any.local_port = htons(80);
  const auto closing = std::make_shared<Socket>(any, Socket::kTcp, std::uint8_t{8});  // TCP_CLOSE_WAIT
  const auto map = map_of({.type = MapType::sockmap, .key_size = 4, .value_size = 8, .max_entries = 2});
  const std::uint32_t key = 0;
  const auto add = [&](const Socket& socket) {
    return add_socket(*map, &key, reinterpret_cast<std::uint64_t>(socket.view.data()), 0);
  };
  EXPECT_EQ(add(*closing), -EOPNOTSUPP);
  EXPECT_EQ(add(Socket(any, Socket::kTcp, Socket::kTimeWait)), -EINVAL);
  EXPECT_EQ(add(*std::make_shared<Socket>(any, Socket::kUdp, Socket::kClose)), 0);
}

TEST(HelpersSockets, AMapOfMapsGivesItsMapToThePrograms) {
  const exec::MapSpec inner_spec{.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1};
  const auto inner = map_of(inner_spec);
  const std::uint32_t zero = 0;
  const std::uint64_t value = 42;
  ASSERT_EQ(inner->write(&zero, &value, 0), 0);
  for (const MapType type : {MapType::array_of_maps, MapType::hash_of_maps}) {
    const auto outer = map_of({.type = type,
                               .key_size = 4,
                               .value_size = 4,
                               .max_entries = 2,
                               .inner = std::make_shared<const exec::MapSpec>(inner->spec())});
    const std::string text =
        "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto none\n"
        "r1 = r0\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto none\nr0 = *(u64 *)(r0 +0)\nexit\n"
        "none:\nr0 = 77\nexit";
    EXPECT_EQ(returned({.maps = {outer}}, text), 77U);
    const long before = inner.use_count();
    ASSERT_EQ(outer->abilities().maps->set(&zero, {.id = 1, .map = inner}, 0), 0);
    EXPECT_EQ(returned({.maps = {outer}}, text), 42U);
    EXPECT_EQ(inner.use_count(), before + 1) << "the slot's";
  }
}

// ---- SYN cookies
// -----------------------------------------------------------------------------------------------------

// The vectors of the SipHash paper's program for messages of 0 and 8 bytes (key 00 01 .. 0f, message 00 01 ..).
TEST(HelpersSockets, SipHashIsThePapers) {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  const std::array<std::uint64_t, 1> eight = {0x0706050403020100};
  EXPECT_EQ(siphash(key, {}), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(key, eight), 0x93f5f5799a932462U);
}

// IPv4 header at r10-80, TCP header of 20 bytes at r10-60. `flags` is the byte of SYN, ACK, ...
std::string headers(std::uint32_t sequence, std::uint32_t acknowledged, unsigned flags) {
  return fmt::format(
      "*(u32 *)(r10 -80) = 69\n*(u32 *)(r10 -76) = 0\n*(u32 *)(r10 -72) = 0\n*(u32 *)(r10 -68) = 16777226\n*(u32 "
      "*)(r10 -64) = 33554442\n"
      "*(u32 *)(r10 -60) = 1342242816\n*(u32 *)(r10 -56) = {}\n*(u32 *)(r10 -52) = {}\n*(u16 *)(r10 -48) = {}\n"
      "*(u16 *)(r10 -46) = 0\n*(u32 *)(r10 -44) = 0\n",
      static_cast<std::int32_t>(htonl(sequence)), static_cast<std::int32_t>(htonl(acknowledged)), 0x50 | flags << 8);
}
const std::string kPassRaw = "r1 = r10\nr1 += -80\nr2 = r10\nr2 += -60\n";
constexpr unsigned kSyn = 2, kAck = 16;

TEST(HelpersSockets, ACookieIsTakenBackFromWhoeverGotIt) {
  const auto environment = with_sockets({});
  const Rig rig{.environment = &environment};
  const std::string generate = headers(1000, 0, kSyn) + kPassRaw + "r3 = 20\ncall bpf_tcp_raw_gen_syncookie_ipv4\n";
  EXPECT_EQ(returned(rig, generate + "r0 >>= 32\nexit"), 536U) << "the segment size of who states none";
  const auto cookie = static_cast<std::uint32_t>(returned(rig, generate + "exit"));
  const auto check = [&](std::uint32_t sequence, std::uint32_t acknowledged) {
    return static_cast<std::int32_t>(returned(
        rig, headers(sequence, acknowledged, kAck) + kPassRaw + "call bpf_tcp_raw_check_syncookie_ipv4\nexit"));
  };
  EXPECT_EQ(check(1001, cookie + 1), 0);
  EXPECT_EQ(check(1001, cookie + 65), -EACCES) << "its lower bits say the segment size: no such one";
  EXPECT_EQ(check(1002, cookie + 1), -EACCES);
}

TEST(HelpersSockets, AListenerTakesBackOnlyWhatItGave) {
  const auto socket = listener();
  const auto environment = with_sockets({socket});
  const Rig rig{.environment = &environment};
  const std::string pass = "r1 = r6\nr2 = r10\nr2 += -80\nr3 = 20\nr4 = r10\nr4 += -60\nr5 = 20\n";
  const auto ask = [&](const std::string& header, const char* helper) {
    return returned(rig, kLookUp + header + pass + fmt::format("call bpf_{}\nr7 = r0\n", helper) + kRelease);
  };
  const auto check = [&](std::uint32_t acknowledged, unsigned flags = kAck) {
    return static_cast<std::int32_t>(ask(headers(1001, acknowledged, flags), "tcp_check_syncookie"));
  };
  EXPECT_EQ(check(5), -ENOENT) << "it gave none";
  const auto cookie = static_cast<std::uint32_t>(ask(headers(1000, 0, kSyn), "tcp_gen_syncookie"));
  EXPECT_EQ(check(cookie + 1), 0);
  EXPECT_EQ(check(cookie), -ENOENT);
  EXPECT_EQ(check(cookie + 1, kAck | kSyn), -ENOENT);
  EXPECT_EQ(static_cast<std::int32_t>(ask(headers(1000, 0, kAck), "tcp_gen_syncookie")), -EINVAL);
}

}  // namespace
}  // namespace forager::helpers

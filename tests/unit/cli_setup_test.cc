// SPDX-License-Identifier: Apache-2.0
//
// Setup files: the whole grammar, and a message that names the place for each way to get it wrong.
#include "cli/setup.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace forager::cli {
namespace {

using testing::HasSubstr;

TEST(Setup, ReadsMapsFibAndPorts) {
  auto setup = parse_setup(R"({
    "maps": [{"map": "vips", "key": "0x0a 0b", "value": "01 02 03"}],
    "fib": {"routes": [{"prefix": "10.1.0.0/16", "via": "192.168.1.1", "ifindex": 3},
                       {"prefix": "fd00::/8", "ifindex": 4, "mtu": 9000}],
            "neighbours": [{"ip": "192.168.1.1", "mac": "02:00:00:00:00:01", "ifindex": 3}],
            "interfaces": [{"ifindex": 3, "mac": "02:00:00:00:00:03", "forwarding": false}]},
    "ports": [2, 3]})");
  ASSERT_TRUE(setup) << setup.error().text();
  ASSERT_EQ(setup->maps.size(), 1U);
  EXPECT_EQ(setup->maps[0].key, "\x0a\x0b");
  EXPECT_EQ(setup->maps[0].value, "\x01\x02\x03");
  ASSERT_EQ(setup->fib.routes.size(), 2U);
  EXPECT_EQ(setup->fib.routes[0].prefix_length, 16);
  EXPECT_TRUE(setup->fib.routes[0].via.has_value());
  EXPECT_TRUE(setup->fib.routes[1].ipv6);
  EXPECT_EQ(setup->fib.routes[1].mtu, 9000U);
  EXPECT_EQ(setup->fib.neighbours[0].mac[5], 1);
  EXPECT_FALSE(setup->fib.interfaces[0].forwarding);
  EXPECT_THAT(setup->ports, testing::ElementsAre(2, 3));
}

TEST(Setup, EntriesMayNameAProgram) {
  auto setup = parse_setup(R"([{"map": "a", "key": "00", "value": "01", "program": "out"},
                               {"map": "a", "key": "01", "value": "01"}])");
  ASSERT_TRUE(setup) << setup.error().text();
  EXPECT_EQ(setup->maps[0].program, "out");
  EXPECT_EQ(setup->maps[1].program, "");
  setup = parse_setup(R"([{"map": "a", "key": "00", "value": "01", "program": 7}])");
  EXPECT_FALSE(setup);
}

TEST(Setup, ABareListIsMapEntries) {
  auto setup = parse_setup(R"([{"map": "a", "key": "00", "value": "01"}])");
  ASSERT_TRUE(setup) << setup.error().text();
  EXPECT_EQ(setup->maps.size(), 1U);
}

TEST(Setup, ReadsSockets) {
  auto setup = parse_setup(R"({"sockets": [
    {"protocol": "tcp", "local": "10.0.0.1:80", "uid": 33, "cookie": 7, "mark": 5, "reuseport": true},
    {"protocol": "tcp", "local": "[fd00::1]:80", "remote": "[fd00::2]:4000", "ipv6only": true},
    {"protocol": "tcp", "local": "10.0.0.1:80", "remote": "10.0.0.2:9", "state": "syn_recv", "ifindex": 3},
    {"protocol": "udp", "local": "0.0.0.0:53", "cgroup": 9}]})");
  ASSERT_TRUE(setup) << setup.error().text();
  ASSERT_EQ(setup->sockets.size(), 4U);
  const auto& listener = *setup->sockets[0];
  EXPECT_TRUE(listener.listens());
  EXPECT_EQ(listener.addresses().local[3], 1);
  EXPECT_EQ(listener.addresses().local_port, htons(80));
  EXPECT_EQ(listener.uid, 33U);
  EXPECT_EQ(listener.cookie, 7U);
  EXPECT_TRUE(listener.reuseport);
  EXPECT_EQ(listener.option(SOL_SOCKET, SO_MARK), 5);
  const auto& connected = *setup->sockets[1];
  EXPECT_EQ(connected.state(), exec::Socket::kEstablished);
  EXPECT_TRUE(connected.addresses().ipv6 && connected.ipv6_only);
  EXPECT_EQ(connected.addresses().remote[15], 2);
  EXPECT_EQ(setup->sockets[2]->state(), exec::Socket::kNewSynRecv);
  EXPECT_EQ(setup->sockets[2]->bound_ifindex(), 3U);
  EXPECT_EQ(setup->sockets[3]->protocol(), exec::Socket::kUdp);
  EXPECT_EQ(setup->sockets[3]->state(), exec::Socket::kClose);
  EXPECT_EQ(setup->sockets[3]->cgroup_id, 9U);
}

struct BadSetup {
  const char* text;
  const char* said;
};

class BadSetups : public testing::TestWithParam<BadSetup> {};

TEST_P(BadSetups, AreRefusedByName) {
  auto setup = parse_setup(GetParam().text);
  ASSERT_FALSE(setup);
  EXPECT_EQ(setup.error().kind, ErrorKind::input);
  EXPECT_THAT(setup.error().text(), HasSubstr(GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    Setup, BadSetups,
    testing::Values(
        BadSetup{R"({"sockets": {}})", "\"sockets\" is no list"},
        BadSetup{R"({"sockets": [{"local": "10.0.0.1:80"}]})", "sockets[0] needs the string \"protocol\""},
        BadSetup{R"({"sockets": [{"protocol": "sctp", "local": "10.0.0.1:80"}]})", "neither tcp nor udp"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1"}]})", "has no port"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1:65536"}]})", "no port from 0 to 65535"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1:"}]})", "no port from 0 to 65535"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "fd00::1:80"}]})", "stand in []"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.300:80"}]})", "no IPv4 or IPv6 address"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1:80", "remote": "[::1]:8"}]})", "families"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1:80", "state": "open"}]})", "no state of a tcp"},
        BadSetup{R"({"sockets": [{"protocol": "tcp", "local": "10.0.0.1:80", "state": "established"}]})",
                 "has a remote end"},
        BadSetup{R"({"sockets": [{"protocol": "udp", "local": "10.0.0.1:80", "state": "listen"}]})", "only tcp"},
        BadSetup{R"({"sockets": [{"protocol": "udp", "local": "10.0.0.1:80", "uid": -1}]})",
                 "needs the number \"uid\""},
        BadSetup{R"({"sockets": [{"protocol": "udp", "local": "10.0.0.1:80", "reuseport": 1}]})", "neither true nor"},
        BadSetup{R"({"sockets": [{"protocol": "udp", "local": "10.0.0.1:1", "cookie": 4},
                                 {"protocol": "udp", "local": "10.0.0.1:2", "cookie": 4}]})",
                 "have the cookie 4"},
        BadSetup{R"({"sockets": [{"protocol": "udp", "local": "10.0.0.1:80", "name": "x"}]})", "unknown member"},
        BadSetup{"{", "parse error"}, BadSetup{"7", "is no object"},
        BadSetup{R"({"map": []})", "unknown member \"map\""},
        BadSetup{R"([{"map": "a", "key": "0g", "value": "00"}])", "maps[0]: \"key\" is no list of hex bytes"},
        BadSetup{R"([{"map": "a", "key": "00"}])", "needs the string \"value\""},
        BadSetup{R"({"maps": {}})", "\"maps\" is no list"},
        BadSetup{R"({"ports": [-1]})", "ports[0] is no interface index"},
        BadSetup{R"({"fib": {"routes": [{"prefix": "10.0.0.0/33", "ifindex": 1}]}})", "33 is over 32"},
        BadSetup{R"({"fib": {"routes": [{"prefix": "here/8", "ifindex": 1}]}})", "no IPv4 or IPv6"},
        BadSetup{R"({"fib": {"neighbours": [{"ip": "1.2.3.4", "mac": "1:2", "ifindex": 1}]}})", "no MAC address"},
        BadSetup{R"({"fib": {"interfaces": [{"ifindex": 99999999999, "mac": "1:2:3:4:5:6"}]}})",
                 "\"ifindex\" (0 to 4294967295)"}));

TEST(Setup, AMissingFileIsNamed) {
  auto setup = read_setup("/no/such/setup.json");
  ASSERT_FALSE(setup);
  EXPECT_THAT(setup.error().text(), HasSubstr("/no/such/setup.json: No such file"));
}

}  // namespace
}  // namespace forager::cli

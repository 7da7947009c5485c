// SPDX-License-Identifier: Apache-2.0
// Places, the programs at them, and what happens when something happens there.
#include <cerrno>
#include <string>

#include "runtime/fire.h"
#include "runtime_testing.h"

namespace forager::runtime::testing {
namespace {

using isa::AttachType;
using isa::ProgType;

constexpr auto kXdp = static_cast<std::uint32_t>(AttachType::xdp);
constexpr auto kTcx = static_cast<std::uint32_t>(AttachType::tcx_ingress);
constexpr auto kIngress = static_cast<std::uint32_t>(AttachType::cgroup_inet_ingress);

class Attach : public ::testing::Test {
 protected:
  std::shared_ptr<ProgramObject> returning(unsigned value, ProgType type = ProgType::xdp) {
    return load(runtime_, "r0 = " + std::to_string(value) + "\nexit\n", {}, type);
  }
  Attached<std::shared_ptr<LinkObject>> link(const Place& place, const std::shared_ptr<ProgramObject>& program,
                                             const AttachRequest& request = {}) {
    LinkSpec spec{.type = LinkType::xdp};
    spec.targets.push_back({place});
    return runtime_.link(std::move(spec), program, request);
  }
  [[nodiscard]] std::string order(const Place& place) {
    std::string text;
    for (const Attachment& one : runtime_.points().effective(place)) text += one.program->name();
    return text;
  }
  std::shared_ptr<ProgramObject> named(std::string name, ProgType type = ProgType::sched_cls) {
    ProgramRequest asked = request("r0 = 1\nexit\n", {}, type);
    asked.source.name = std::move(name);
    auto program = runtime_.load_program(std::move(asked));
    EXPECT_TRUE(program.has_value());
    return program ? *program : nullptr;
  }
  std::uint64_t answer(const Place& place) {
    auto frame = exec::Frame::make(std::vector<std::byte>(64));
    EXPECT_TRUE(frame.has_value());
    const auto fired = fire(runtime_, place, *frame);
    EXPECT_TRUE(fired.has_value()) << fired.error().text();
    return fired ? fired->answer : ~0ULL;
  }
  AttachPoints& points() { return runtime_.points(); }

  Runtime runtime_;
};

// ---- links ----

TEST_F(Attach, LinksHoldTheirPort) {
  const auto first = returning(2), second = returning(1);
  const Place port = Place::port(5, kXdp);
  auto held = link(port, first);
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(link(port, second).error(), -EBUSY);
  EXPECT_TRUE(link(Place::port(6, kXdp), second).has_value());
  EXPECT_EQ(answer(port), 2U);
  EXPECT_EQ(points().update(**held, second, second.get()), -EPERM);
  EXPECT_EQ(points().update(**held, second, first.get()), 0);
  EXPECT_EQ(points().update(**held, returning(1, ProgType::socket_filter), nullptr), -EINVAL);
  EXPECT_EQ(answer(port), 1U);
  held->reset();
  EXPECT_TRUE(points().effective(port).empty());
  EXPECT_TRUE(link(port, first).has_value());
}

TEST_F(Attach, ProgramsLearnTheirOwnCookie) {
  const auto program = load(runtime_, "call bpf_get_attach_cookie\nexit\n", {}, ProgType::kprobe);
  const Place opened = Place::probe(PlaceKind::kprobe, "do_sys_open");
  const Place closed = Place::probe(PlaceKind::kprobe, "do_sys_close");
  LinkSpec spec{.type = LinkType::kprobe_multi};
  spec.targets.push_back({.place = opened, .cookie = 3});
  spec.targets.push_back({.place = closed, .cookie = 1});
  const auto held = runtime_.link(std::move(spec), program, {});
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(answer(opened), 1U) << "of 3, the bit that lets pass";
  EXPECT_EQ(answer(closed), 1U);
  auto frame = exec::Frame::make(std::vector<std::byte>(64));
  ASSERT_TRUE(fire(runtime_, opened, *frame).has_value());
  EXPECT_EQ(frame->return_value, 3U);
}

TEST_F(Attach, DetachedLinksHoldNothing) {
  const auto program = returning(2);
  const Place port = Place::port(5, kXdp);
  const auto held = link(port, program);
  ASSERT_TRUE(held.has_value());
  points().detach(**held);
  EXPECT_FALSE((*held)->attached());
  EXPECT_TRUE(points().effective(port).empty());
  EXPECT_EQ(points().update(**held, program, nullptr), -ENOLINK);
}

TEST_F(Attach, ALinkStandsAtAllOfItsPlacesOrAtNone) {
  const auto program = returning(0);
  const Place taken = Place::port(2, kXdp), free = Place::port(1, kXdp);
  const auto present = link(taken, program);
  LinkSpec both{.type = LinkType::xdp};
  both.targets = {{free}, {taken}};
  EXPECT_EQ(runtime_.link(both, program).error(), -EBUSY);
  EXPECT_TRUE(points().effective(free).empty());
  LinkSpec probes{.type = LinkType::kprobe_multi};
  probes.targets = {{Place::probe(PlaceKind::kprobe, "one"), 11}, {Place::probe(PlaceKind::kprobe, "two"), 22}};
  const auto many = runtime_.link(probes, returning(0, ProgType::kprobe));
  ASSERT_TRUE(many.has_value());
  ASSERT_EQ(points().effective(Place::probe(PlaceKind::kprobe, "two")).size(), 1U);
  EXPECT_EQ(points().effective(Place::probe(PlaceKind::kprobe, "two")).front().cookie, 22U);
  EXPECT_TRUE(points().effective(Place::probe(PlaceKind::kretprobe, "two")).empty());
}

// ---- orders
// ----------------------------------------------------------------------------------------------------------

TEST_F(Attach, MprogPutsProgramsWhereTheCallerSays) {
  const Place port = Place::port(1, kTcx);
  const auto a = named("a"), b = named("b"), c = named("c"), d = named("d");
  EXPECT_EQ(points().attach(port, b, {}), 0);
  EXPECT_EQ(points().attach(port, a, {.flags = kBefore}), 0);
  EXPECT_EQ(points().attach(port, d, {.flags = kAfter, .relative = {b, nullptr}}), 0);
  EXPECT_EQ(points().attach(port, c, {.flags = kBefore, .relative = {d, nullptr}, .revision = 4}), 0);
  EXPECT_EQ(order(port), "abcd");
  EXPECT_EQ(points().list(port).revision, 5U);
  EXPECT_EQ(points().attach(port, named("e"), {.revision = 4}), -ESTALE);
  EXPECT_EQ(points().attach(port, a, {}), -EEXIST);
  EXPECT_EQ(points().attach(port, named("e"), {.flags = kReplace, .replaced = {c, nullptr}}), 0);
  EXPECT_EQ(order(port), "abed");
  EXPECT_EQ(points().detach(port, nullptr, {.flags = kBefore}), 0);
  EXPECT_EQ(order(port), "bed");
  EXPECT_EQ(points().detach(port, a, {}), -ENOENT);
}

TEST_F(Attach, CgroupsShareAsTheirFlagsSay) {
  const auto at = [&](std::string_view path) { return Place::cgroup(runtime_.cgroups.at(path).value_or(0), kIngress); };
  const auto up = named("u", ProgType::cgroup_skb), low = named("l", ProgType::cgroup_skb);
  EXPECT_EQ(points().attach(at("/web"), up, {.flags = kAllowOverride}), 0);
  EXPECT_EQ(order(at("/web/a/b")), "u");
  EXPECT_EQ(points().attach(at("/web/a"), low, {.flags = kAllowOverride}), 0);
  EXPECT_EQ(order(at("/web/a/b")), "l");
  EXPECT_EQ(order(at("/web")), "u");
  EXPECT_EQ(points().detach(at("/web"), up, {}), 0);
  EXPECT_EQ(points().attach(at("/web"), up, {}), 0);
  EXPECT_EQ(points().attach(at("/web/c"), named("x", ProgType::cgroup_skb), {}), -EPERM);
  EXPECT_EQ(points().attach(at("/web"), up, {.flags = kAllowMulti}), -EPERM) << "it has one of another kind";

  EXPECT_EQ(points().attach(at("/many"), up, {.flags = kAllowMulti}), 0);
  EXPECT_EQ(points().attach(at("/many/a"), low, {.flags = kAllowMulti}), 0);
  EXPECT_EQ(order(at("/many/a")), "lu");
  const auto early = named("e", ProgType::cgroup_skb);
  EXPECT_EQ(points().attach(at("/many"), early, {.flags = kAllowMulti | kPreorder}), 0);
  EXPECT_EQ(order(at("/many/a")), "elu");
}

TEST_F(Attach, HooksAreOrderedByPriority) {
  const Place hook = Place::netfilter(2, 1);
  std::vector<std::shared_ptr<LinkObject>> links;
  for (const int priority : {10, -5, 0}) {
    LinkSpec spec{.type = LinkType::netfilter, .priority = priority, .targets = {{hook}}};
    auto made = runtime_.link(spec, named(std::to_string(priority), ProgType::netfilter));
    ASSERT_TRUE(made.has_value());
    links.push_back(*made);
  }
  EXPECT_EQ(order(hook), "-5010");
  LinkSpec again{.type = LinkType::netfilter, .priority = 0, .targets = {{hook}}};
  EXPECT_EQ(runtime_.link(again, named("x", ProgType::netfilter)).error(), -EBUSY);
}

TEST_F(Attach, PlacesHaveALimit) {
  const Place port = Place::port(1, kTcx);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(points().attach(port, named("p"), {}), 0);
  EXPECT_EQ(points().attach(port, named("p"), {}), -ERANGE);
}

// ---- firing
// ----------------------------------------------------------------------------------------------------------

TEST_F(Attach, WithoutProgramsEverythingPasses) {
  EXPECT_EQ(answer(Place::port(1, kXdp)), 2U);
  EXPECT_EQ(answer(Place::port(1, kTcx)), 0xffffffffU);
  EXPECT_EQ(answer(Place::cgroup(Cgroups::kRoot, kIngress)), 1U);
  EXPECT_EQ(answer(Place::netfilter(2, 0)), 1U);
}

TEST_F(Attach, CgroupProgramsMustAllAllow) {
  const Place root = Place::cgroup(Cgroups::kRoot, static_cast<std::uint32_t>(AttachType::cgroup_inet_egress));
  EXPECT_EQ(points().attach(root, returning(1, ProgType::cgroup_skb), {.flags = kAllowMulti}), 0);
  EXPECT_EQ(answer(root), 1U);
  EXPECT_EQ(points().attach(root, returning(0, ProgType::cgroup_skb), {.flags = kAllowMulti}), 0);
  EXPECT_EQ(answer(root), 0U);
}

TEST_F(Attach, ClassifiersRunUntilOneDecides) {
  const Place port = Place::port(1, kTcx);
  const auto next = load(runtime_, "r0 = -1\nexit\n", {}, ProgType::sched_cls);
  EXPECT_EQ(points().attach(port, next, {}), 0);
  EXPECT_EQ(points().attach(port, returning(2, ProgType::sched_cls), {}), 0);
  EXPECT_EQ(points().attach(port, returning(0, ProgType::sched_cls), {}), 0);
  EXPECT_EQ(answer(port), 2U);
}

// ---- the tree
// --------------------------------------------------------------------------------------------------------

TEST(CgroupTree, NamesWhatPathsMean) {
  Cgroups cgroups;
  EXPECT_EQ(cgroups.at("/"), Cgroups::kRoot);
  const auto deep = cgroups.at("/a/b");
  ASSERT_TRUE(deep.has_value());
  EXPECT_EQ(cgroups.at("//a/./b/"), deep);
  EXPECT_EQ(cgroups.lineage(*deep).size(), 3U);
  EXPECT_EQ(cgroups.lineage(*deep).back(), Cgroups::kRoot);
  EXPECT_EQ(cgroups.path_of(*deep), "/a/b");
  EXPECT_EQ(cgroups.at("a"), std::nullopt);
  EXPECT_EQ(cgroups.at("/a/../b"), std::nullopt);
  EXPECT_TRUE(cgroups.lineage(99).empty());
  EXPECT_EQ(cgroups.path_of(0), "");
}

}  // namespace
}  // namespace forager::runtime::testing

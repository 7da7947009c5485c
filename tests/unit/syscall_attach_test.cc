// SPDX-License-Identifier: Apache-2.0
// BPF_PROG_ATTACH, _DETACH, _QUERY and the links of ports, cgroups and the network namespace, ours beside the kernel's.
// The kernel's half attaches to the loopback of a network namespace of its own, and to a cgroup made for the test.
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <filesystem>

#include "syscall/attributes.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

constexpr unsigned kLoopback = 1;
constexpr unsigned kTcxIngress = 46, kTcxEgress = 47;  // <linux/bpf.h> 6.1 ends before
constexpr unsigned kBefore = 1U << 3, kAfter = 1U << 4, kId = 1U << 5, kLink = 1U << 13;

template <class Part>
bpf_attr attr_of(const Part& part) {
  bpf_attr attr = empty_attr();
  std::memcpy(&attr, &part, sizeof part);
  return attr;
}

class Attach : public BpfTest {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped() || ours()) return;
    if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
  }
  int program(unsigned type, unsigned attach_type = 0, int result = 1) {
    const Code code = {{0xb7, 0, 0, 0, result}, {0x95, 0, 0, 0, 0}};
    bpf_attr attr = prog_attr(code, type);
    attr.expected_attach_type = attach_type;
    return load(attr);
  }
  int classifier() { return program(BPF_PROG_TYPE_SCHED_CLS); }
  __u32 id_of(int fd) { return info_of<bpf_prog_info>(fd).id; }
  long attach(const AttachAttributes& part) { return bpf(BPF_PROG_ATTACH, attr_of(part)); }
  long detach(const AttachAttributes& part) { return bpf(BPF_PROG_DETACH, attr_of(part)); }

  struct Answer {
    long result;
    QueryAttributes told;
    std::vector<__u32> ids;
  };
  Answer query(unsigned target, unsigned attach_type, unsigned room = 64, unsigned flags = 0) {
    Answer answer{};
    answer.ids.resize(room);
    bpf_attr attr = attr_of(QueryAttributes{.target = target,
                                            .attach_type = attach_type,
                                            .query_flags = flags,
                                            .prog_ids = address_of(answer.ids.data()),
                                            .count = room});
    answer.result = bpf(BPF_PROG_QUERY, attr);
    answer.told = part_of<QueryAttributes>(attr);
    answer.ids.resize(std::min(room, answer.told.count));
    return answer;
  }
  static AttachAttributes on_port(int fd, unsigned flags = 0, unsigned relative = 0, __u64 revision = 0) {
    return {.target = kLoopback,
            .prog_fd = static_cast<__u32>(fd),
            .attach_type = kTcxIngress,
            .flags = flags,
            .replace_fd = 0,
            .relative = relative,
            .expected_revision = revision};
  }
  // Linux before TCX does not know the attach type.
  [[nodiscard]] bool no_tcx() const { return !answers_as(6, 6); }
};
FORAGER_ON_BOTH(Attach);

// ---- classifiers
// -----------------------------------------------------------------------------------------------------

TEST_P(Attach, ClassifiersStandWhereTheCallerSays) {
  if (no_tcx()) GTEST_SKIP() << "a kernel without TCX";
  const int a = classifier(), b = classifier(), c = classifier(), d = classifier();
  EXPECT_EQ(query(kLoopback, kTcxIngress).told.revision, 1U);
  EXPECT_EQ(attach(on_port(b)), 0);
  EXPECT_EQ(attach(on_port(a, kBefore)), 0);
  EXPECT_EQ(attach(on_port(d, kAfter, static_cast<unsigned>(b))), 0);
  EXPECT_EQ(attach(on_port(c, kBefore | kId, id_of(d), 4)), 0);
  const Answer all = query(kLoopback, kTcxIngress);
  EXPECT_EQ(all.result, 0);
  EXPECT_EQ(all.ids, (std::vector<__u32>{id_of(a), id_of(b), id_of(c), id_of(d)}));
  EXPECT_EQ(all.told.revision, 5U);
  EXPECT_TRUE(query(kLoopback, kTcxEgress).ids.empty());
  AttachAttributes instead = on_port(classifier(), BPF_F_REPLACE);
  instead.replace_fd = static_cast<__u32>(c);
  EXPECT_EQ(attach(instead), 0);
  EXPECT_EQ(query(kLoopback, kTcxIngress).ids[2], id_of(static_cast<int>(instead.prog_fd)));
  EXPECT_EQ(detach(on_port(0, kBefore)), 0);
  EXPECT_EQ(detach(on_port(0, kAfter)), 0);
  EXPECT_EQ(query(kLoopback, kTcxIngress).told.count, 2U);
}

TEST_P(Attach, ClassifierOrdersAreChecked) {
  if (no_tcx()) GTEST_SKIP() << "a kernel without TCX";
  const int a = classifier(), b = classifier();
  EXPECT_EQ(detach(on_port(a)), -ENOENT);
  EXPECT_EQ(attach(on_port(a)), 0);
  EXPECT_EQ(attach(on_port(a)), -EEXIST);
  EXPECT_EQ(attach(on_port(b, 0, 0, 77)), -ESTALE);
  EXPECT_EQ(attach(on_port(b, kBefore, static_cast<unsigned>(b))), -ENOENT) << "not there";
  EXPECT_EQ(attach(on_port(b, kId, 0x7fffffff)), -ENOENT);
  EXPECT_EQ(attach(on_port(b, 0, static_cast<unsigned>(a))), -EINVAL) << "neither before nor after it";
  EXPECT_EQ(attach(on_port(b, kBefore | kAfter)), -ERANGE);
  EXPECT_EQ(attach(on_port(b, BPF_F_ALLOW_MULTI)), -EINVAL);
  EXPECT_EQ(attach(on_port(b, kBefore | kLink, static_cast<unsigned>(a))), -EINVAL) << "a program is no link";
  EXPECT_EQ(attach(on_port(program(BPF_PROG_TYPE_XDP, 0, 2))), -EINVAL);
  EXPECT_EQ(attach(on_port(9999)), -EBADF);
  AttachAttributes nowhere = on_port(b);
  nowhere.target = 0x7fff;
  if (!ours()) {  // ours has every number, unless it is given its ports
    EXPECT_EQ(attach(nowhere), -ENODEV);
  }
  nowhere.target = 0;
  EXPECT_EQ(attach(nowhere), -ENODEV);
  EXPECT_EQ(detach(on_port(b)), -ENOENT);
  EXPECT_EQ(detach(on_port(a, kBefore)), -ERANGE) << "nothing is before it, and it is not that nothing";
}

TEST_P(Attach, QueriesSayHowManyThereAre) {
  if (no_tcx()) GTEST_SKIP() << "a kernel without TCX";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(attach(on_port(classifier())), 0);
  Answer answer = query(kLoopback, kTcxIngress, 0);
  EXPECT_EQ(answer.result, 0);
  EXPECT_EQ(answer.told.count, 3U);
  answer = query(kLoopback, kTcxIngress, 2);
  EXPECT_EQ(answer.result, -ENOSPC);
  EXPECT_EQ(answer.told.count, 3U);
  EXPECT_EQ(answer.ids.size(), 2U);
  EXPECT_NE(answer.ids[1], 0U);
  EXPECT_EQ(query(kLoopback, kTcxIngress, 4, 1).result, -EINVAL) << "effective programs are of cgroups";
  EXPECT_EQ(query(kLoopback, BPF_XDP).result, -EINVAL);
  EXPECT_EQ(query(kLoopback, 9999).result, -EINVAL);
}

TEST_P(Attach, LinksOfClassifiers) {
  if (no_tcx()) GTEST_SKIP() << "a kernel without TCX";
  const int first = classifier(), second = classifier();
  const auto link = [&](int fd, unsigned flags = 0, unsigned relative = 0) {
    LinkAttributes part{
        .prog_fd = static_cast<__u32>(fd), .target = kLoopback, .attach_type = kTcxIngress, .flags = flags};
    part.mprog = {.relative = relative, .expected_revision = 0};
    return attr_of(part);
  };
  const int held = open(BPF_LINK_CREATE, link(first));
  EXPECT_EQ(attach(on_port(first)), -EEXIST);
  EXPECT_EQ(detach(on_port(first)), -EBUSY) << "it is the link's";
  const int before = open(BPF_LINK_CREATE, link(second, kBefore | kLink, static_cast<unsigned>(held)));
  EXPECT_EQ(query(kLoopback, kTcxIngress).ids, (std::vector<__u32>{id_of(second), id_of(first)}));
  const auto info = info_of<LinkInfo>(held);
  EXPECT_EQ(info.type, 11U);
  EXPECT_EQ(info.port.ifindex, kLoopback);
  EXPECT_EQ(info.port.attach_type, kTcxIngress);
  EXPECT_EQ(bpf(BPF_LINK_CREATE, link(classifier(), BPF_F_REPLACE)), -ENOENT);
  EXPECT_EQ(close(before), 0);
  EXPECT_EQ(close(held), 0);
  EXPECT_TRUE(query(kLoopback, kTcxIngress).ids.empty());
}

// ---- cgroups
// ---------------------------------------------------------------------------------------------------------

// /forager-test-PID and /forager-test-PID/child. Where there is no cgroup file system, any directories do for ours.
class Cgroups : public Attach {
 protected:
  void SetUp() override {
    Attach::SetUp();
    if (IsSkipped()) return;
    const std::string name = "forager-test-" + std::to_string(getpid());
    const char* const mount =
        std::filesystem::exists("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup";
    root_ = (ours() ? std::filesystem::temp_directory_path() : std::filesystem::path(mount)) / name;
    std::error_code error;
    std::filesystem::create_directories(root_ / "child", error);
    if (error) GTEST_SKIP() << "no cgroup: " << error.message();
    parent_ = ::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    child_ = ::open((root_ / "child").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(child_, 0);
    if (!ours() && query(static_cast<unsigned>(parent_), kIngress).result == -EBADF) GTEST_SKIP() << "no cgroup2";
  }
  void TearDown() override {
    if (child_ >= 0) ::close(child_);
    if (parent_ >= 0) ::close(parent_);
    Attach::TearDown();
    ::rmdir((root_ / "child").c_str());
    ::rmdir(root_.c_str());
  }
  static constexpr unsigned kIngress = BPF_CGROUP_INET_INGRESS;
  int filter() { return program(BPF_PROG_TYPE_CGROUP_SKB); }
  static AttachAttributes at(int cgroup, int fd, unsigned flags = 0) {
    return {.target = static_cast<__u32>(cgroup),
            .prog_fd = static_cast<__u32>(fd),
            .attach_type = kIngress,
            .flags = flags,
            .replace_fd = 0,
            .relative = 0,
            .expected_revision = 0};
  }
  std::vector<__u32> effective(int cgroup) {
    return query(static_cast<unsigned>(cgroup), kIngress, 64, BPF_F_QUERY_EFFECTIVE).ids;
  }
  std::filesystem::path root_;
  int parent_ = -1, child_ = -1;
};
FORAGER_ON_BOTH(Cgroups);

TEST_P(Cgroups, TheFirstProgramDecidesHowItIsShared) {
  const int a = filter(), b = filter();
  EXPECT_EQ(attach(at(parent_, a)), 0);
  EXPECT_EQ(attach(at(child_, b)), -EPERM);
  EXPECT_EQ(attach(at(parent_, b, BPF_F_ALLOW_MULTI)), -EPERM);
  EXPECT_EQ(attach(at(parent_, b)), 0) << "it takes the other's place";
  EXPECT_EQ(effective(child_), std::vector<__u32>{id_of(b)});
  EXPECT_EQ(detach(at(parent_, 9999)), 0) << "there is only one that can be meant";
  EXPECT_EQ(detach(at(parent_, a)), -ENOENT);
  EXPECT_EQ(attach(at(parent_, a, BPF_F_ALLOW_OVERRIDE)), 0);
  EXPECT_EQ(attach(at(child_, b, BPF_F_ALLOW_OVERRIDE)), 0);
  EXPECT_EQ(effective(child_), std::vector<__u32>{id_of(b)});
  EXPECT_EQ(query(static_cast<unsigned>(child_), kIngress).told.attach_flags, unsigned{BPF_F_ALLOW_OVERRIDE});
  EXPECT_EQ(detach(at(child_, b)), 0);
  EXPECT_EQ(detach(at(parent_, a)), 0);
}

TEST_P(Cgroups, ManyRunFromTheChildUp) {
  const int a = filter(), b = filter(), c = filter();
  EXPECT_EQ(attach(at(parent_, a, BPF_F_ALLOW_MULTI)), 0);
  EXPECT_EQ(attach(at(parent_, b, BPF_F_ALLOW_MULTI)), 0);
  EXPECT_EQ(attach(at(child_, c, BPF_F_ALLOW_MULTI)), 0);
  EXPECT_EQ(attach(at(parent_, a, BPF_F_ALLOW_MULTI)), -EINVAL) << "once is enough";
  EXPECT_EQ(effective(child_), (std::vector<__u32>{id_of(c), id_of(a), id_of(b)}));
  AttachAttributes instead = at(parent_, filter(), BPF_F_ALLOW_MULTI | BPF_F_REPLACE);
  instead.replace_fd = 9999;
  EXPECT_EQ(attach(instead), -EBADF);
  instead.replace_fd = static_cast<__u32>(c);
  EXPECT_EQ(attach(instead), -ENOENT);
  instead.replace_fd = static_cast<__u32>(a);
  EXPECT_EQ(attach(instead), 0);
  EXPECT_EQ(effective(parent_), (std::vector<__u32>{id_of(static_cast<int>(instead.prog_fd)), id_of(b)}));
  EXPECT_EQ(detach(at(parent_, a)), -ENOENT);
  EXPECT_EQ(detach(at(parent_, 9999)), -EINVAL);
  for (const int fd : {static_cast<int>(instead.prog_fd), b}) EXPECT_EQ(detach(at(parent_, fd)), 0);
  EXPECT_EQ(detach(at(child_, c)), 0);
}

TEST_P(Cgroups, AreChecked) {
  const int a = filter();
  EXPECT_EQ(attach(at(parent_, a, BPF_F_ALLOW_MULTI | BPF_F_ALLOW_OVERRIDE)), -EINVAL);
  EXPECT_EQ(attach(at(parent_, a, BPF_F_REPLACE)), -EINVAL);
  EXPECT_EQ(attach(at(9999, a)), -EBADF);
  EXPECT_EQ(attach(at(a, a)), -EBADF) << "a program is no cgroup";
  EXPECT_EQ(attach(at(parent_, classifier())), -EINVAL);
  AttachAttributes wrong = at(parent_, program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND));
  wrong.attach_type = BPF_CGROUP_INET6_BIND;
  EXPECT_EQ(attach(wrong), -EINVAL) << "it was loaded for another place";
  EXPECT_EQ(query(static_cast<unsigned>(parent_), kIngress, 4, 2).result, -EINVAL);
}

TEST_P(Cgroups, LinksShareAlways) {
  const int a = filter(), b = filter();
  LinkAttributes part{
      .prog_fd = static_cast<__u32>(a), .target = static_cast<__u32>(parent_), .attach_type = kIngress, .flags = 0};
  const int link = open(BPF_LINK_CREATE, attr_of(part));
  EXPECT_EQ(attach(at(parent_, b)), -EPERM);
  EXPECT_EQ(attach(at(parent_, b, BPF_F_ALLOW_MULTI)), 0);
  EXPECT_EQ(effective(child_), (std::vector<__u32>{id_of(a), id_of(b)}));
  const auto info = info_of<LinkInfo>(link);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_CGROUP});
  EXPECT_NE(info.cgroup.cgroup_id, 0U);
  EXPECT_EQ(info.cgroup.attach_type, kIngress);
  bpf_attr gone = empty_attr();
  gone.link_detach.link_fd = static_cast<__u32>(link);
  EXPECT_EQ(bpf(BPF_LINK_DETACH, gone), 0);
  EXPECT_EQ(info_of<LinkInfo>(link).cgroup.cgroup_id, 0U);
  EXPECT_EQ(effective(child_), std::vector<__u32>{id_of(b)});
  EXPECT_EQ(detach(at(parent_, b)), 0);
}

// ---- the network namespace
// -------------------------------------------------------------------------------------------

// By which a descriptor is known as a namespace's. qemu-user passes on the ioctls that it knows, and this is none of
// them.
bool tells_namespaces(int fd) { return ioctl(fd, NS_GET_NSTYPE) >= 0; }
constexpr const char* kTellsNone = "ioctl(2) knows no NS_GET_NSTYPE here";

TEST_P(Attach, SocketLookupsAreLinksOfTheNamespace) {
  const int netns = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (!tells_namespaces(netns)) GTEST_SKIP() << kTellsNone;
  const int a = program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP), b = program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP);
  LinkAttributes part{
      .prog_fd = static_cast<__u32>(a), .target = static_cast<__u32>(netns), .attach_type = BPF_SK_LOOKUP, .flags = 0};
  const int first = open(BPF_LINK_CREATE, attr_of(part));
  part.prog_fd = static_cast<__u32>(b);
  const int second = open(BPF_LINK_CREATE, attr_of(part));
  EXPECT_EQ(query(static_cast<unsigned>(netns), BPF_SK_LOOKUP).ids, (std::vector<__u32>{id_of(a), id_of(b)}));
  EXPECT_EQ(query(static_cast<unsigned>(netns), BPF_SK_LOOKUP, 1).result, -ENOSPC);
  const auto info = info_of<LinkInfo>(first);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_NETNS});
  EXPECT_NE(info.netns.netns_ino, 0U);
  EXPECT_EQ(info.netns.attach_type, unsigned{BPF_SK_LOOKUP});
  part.target = static_cast<__u32>(a);
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EINVAL) << "a program is no namespace";
  part.target = 9999;
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EBADF);
  EXPECT_EQ(attach({.target = 0, .prog_fd = static_cast<__u32>(a), .attach_type = BPF_SK_LOOKUP}), -EINVAL);
  EXPECT_EQ(close(second), 0);
  ::close(netns);
}

TEST_P(Attach, OneFlowDissectorANamespace) {
  const int a = program(BPF_PROG_TYPE_FLOW_DISSECTOR, 0, 0), b = program(BPF_PROG_TYPE_FLOW_DISSECTOR, 0, 0);
  const auto here = [](int fd) {
    return AttachAttributes{.target = 0, .prog_fd = static_cast<__u32>(fd), .attach_type = BPF_FLOW_DISSECTOR};
  };
  EXPECT_EQ(detach(here(a)), -ENOENT);
  EXPECT_EQ(attach(here(a)), 0);
  EXPECT_EQ(attach(here(a)), -EINVAL) << "it is there";
  EXPECT_EQ(attach(here(b)), 0) << "it takes the other's place";
  EXPECT_EQ(detach(here(a)), -ENOENT);
  const int netns = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (!tells_namespaces(netns)) GTEST_SKIP() << kTellsNone;
  LinkAttributes part{.prog_fd = static_cast<__u32>(a),
                      .target = static_cast<__u32>(netns),
                      .attach_type = BPF_FLOW_DISSECTOR,
                      .flags = 0};
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EEXIST);
  EXPECT_EQ(detach(here(b)), 0);
  const int link = open(BPF_LINK_CREATE, attr_of(part));
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -E2BIG);
  EXPECT_EQ(attach(here(b)), -EEXIST);
  EXPECT_EQ(detach(here(a)), -EINVAL) << "it is the link's";
  EXPECT_EQ(close(link), 0);
  ::close(netns);
}

}  // namespace
}  // namespace forager::syscall::testing

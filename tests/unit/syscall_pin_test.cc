// SPDX-License-Identifier: Apache-2.0
// BPF_OBJ_PIN and BPF_OBJ_GET, ours beside the kernel's (which mounts a bpffs of its own), and the virtual file system.
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "syscall/attributes.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

constexpr const char* kMount = "/sys/fs/bpf";

class Pins : public BpfTest {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped() || ours()) return;
    const bool mounted = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         mount("bpf", kMount, "bpf", 0, nullptr) == 0;
    if (!mounted) GTEST_SKIP() << "no bpffs: " << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    BpfTest::TearDown();
    if (mounted_) umount(kMount);
  }
  static std::string path(const std::string& name) { return std::string(kMount) + "/" + name; }
  long pin(int fd, const std::string& where, unsigned flags = 0, int directory = 0) {
    return command(BPF_OBJ_PIN, fd, where, flags, directory);
  }
  long get(const std::string& where, unsigned flags = 0, int fd = 0) {
    const long got = command(BPF_OBJ_GET, fd, where, flags, 0);
    if (got >= 0) held_.push_back(static_cast<int>(got));
    return got;
  }
  long command(int number, int fd, const std::string& where, unsigned flags, int directory) {
    const PathAttributes part{
        .path = address_of(where.c_str()), .fd = static_cast<__u32>(fd), .flags = flags, .directory = directory};
    bpf_attr attr = empty_attr();
    std::memcpy(&attr, &part, kPathEnd);
    return bpf(number, attr);
  }
  int array() { return create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1)); }
  int program() {
    const Code code = return_2();
    return load(prog_attr(code));
  }
  VirtualFiles& files() { return dynamic_cast<OurSystem&>(system()).process.files; }
  long make_directory(const std::string& where) {
    return ours() ? files().mkdir(AT_FDCWD, where.c_str()).value_or(-ENOSYS) : errno_of(::mkdir(where.c_str(), 0700));
  }
  long remove(const std::string& where, int flags = 0) {
    return ours() ? files().unlink(AT_FDCWD, where.c_str(), flags).value_or(-ENOSYS)
                  : errno_of(::unlinkat(AT_FDCWD, where.c_str(), flags));
  }
  static long errno_of(long result) { return result < 0 ? -errno : result; }
  ~Pins() override = default;
  void close_held() {
    for (const int fd : held_) (void)system().close(fd);
    held_.clear();
  }

 private:
  bool mounted_ = false;
  std::vector<int> held_;
};
FORAGER_ON_BOTH(Pins);

TEST_P(Pins, KeepWhatTheyName) {
  const int map = array(), fd = program();
  const __u32 map_id = info_of<bpf_map_info>(map).id, id = info_of<bpf_prog_info>(fd).id;
  EXPECT_EQ(pin(map, path("map")), 0);
  EXPECT_EQ(pin(fd, path("program")), 0);
  EXPECT_EQ(close(map), 0);
  EXPECT_EQ(close(fd), 0);
  const long again = get(path("map"));
  ASSERT_GE(again, 0);
  EXPECT_EQ(info_of<bpf_map_info>(static_cast<int>(again)).id, map_id);
  const long program_again = get(path("program"));
  ASSERT_GE(program_again, 0);
  EXPECT_EQ(info_of<bpf_prog_info>(static_cast<int>(program_again)).id, id);
  close_held();
  EXPECT_EQ(remove(path("map")), 0);
  EXPECT_EQ(get(path("map")), -ENOENT);
  if (ours()) {
    bpf_attr attr = empty_attr();
    attr.map_id = map_id;
    EXPECT_EQ(bpf(BPF_MAP_GET_FD_BY_ID, attr), -ENOENT);
  }
  EXPECT_EQ(remove(path("program")), 0);
}

TEST_P(Pins, AreChecked) {
  const int map = array();
  EXPECT_EQ(pin(map, path("map")), 0);
  EXPECT_EQ(pin(map, path("map")), -EEXIST);
  EXPECT_EQ(pin(map, path("nowhere/map")), -ENOENT);
  EXPECT_EQ(pin(map, path("map/below")), -ENOTDIR);
  EXPECT_EQ(pin(map, path("with.dot")), -EPERM);
  EXPECT_EQ(pin(map, path(std::string(300, 'x'))), -ENAMETOOLONG);
  EXPECT_EQ(pin(map, ""), -ENOENT);
  EXPECT_EQ(pin(9999, path("other")), -EINVAL);
  EXPECT_EQ(pin(map, path("other"), BPF_F_RDONLY), -EINVAL);
  EXPECT_EQ(get(path("map"), BPF_F_RDONLY | BPF_F_WRONLY), -EINVAL);
  EXPECT_EQ(get(path("map"), 0, map), -EINVAL);
  EXPECT_EQ(get(path("map"), 1U << 20), -EINVAL);
  EXPECT_EQ(get(kMount), -EACCES);
  if (answers_as(6, 5)) {
    EXPECT_EQ(pin(map, path("other"), 0, 7), -EINVAL) << "a directory without the flag for it";
  }
  bpf_attr attr = empty_attr();
  attr.pathname = bad_address();
  attr.bpf_fd = static_cast<__u32>(map);
  EXPECT_EQ(bpf(BPF_OBJ_PIN, attr), -EFAULT);
  close_held();
  EXPECT_EQ(remove(path("map")), 0);
}

TEST_P(Pins, HaveDirections) {
  EXPECT_EQ(pin(array(), path("map")), 0);
  const long reader = get(path("map"), BPF_F_RDONLY);
  ASSERT_GE(reader, 0);
  const __u32 key = 0;
  __u64 value = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(reader, &key, &value)), 0);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(reader, &key, &value)), -EPERM);
  close_held();
  EXPECT_EQ(remove(path("map")), 0);
}

TEST_P(Pins, LieInDirectories) {
  const int map = array();
  EXPECT_EQ(make_directory(path("one")), 0);
  EXPECT_EQ(make_directory(path("one")), -EEXIST);
  EXPECT_EQ(make_directory(path("two/three")), -ENOENT);
  EXPECT_EQ(pin(map, path("one/../one//map")), 0);
  EXPECT_GE(get(path("one/map")), 0);
  EXPECT_EQ(remove(path("one"), AT_REMOVEDIR), -ENOTEMPTY);
  EXPECT_EQ(remove(path("one")), -EISDIR);
  EXPECT_EQ(remove(path("one/map"), AT_REMOVEDIR), -ENOTDIR);
  EXPECT_EQ(remove(path("one/map")), 0);
  EXPECT_EQ(remove(path("one/map")), -ENOENT);
  EXPECT_EQ(remove(path("one"), AT_REMOVEDIR), 0);
  close_held();
}

// ---- what only ours has
// ----------------------------------------------------------------------------------------------

class VirtualFileSystem : public ::testing::Test {
 protected:
  Process process_;
  VirtualFiles& files_ = process_.files;
};

TEST_F(VirtualFileSystem, LooksLikeBpffs) {
  struct statfs system{};
  EXPECT_EQ(files_.statfs("/sys/fs/bpf", &system), 0);
  EXPECT_EQ(system.f_type, BPF_FS_MAGIC);
  EXPECT_EQ(files_.statfs("/sys/fs/bpf/none", &system), -ENOENT);
  EXPECT_EQ(files_.statfs("/tmp", &system), std::nullopt) << "not ours";
  EXPECT_EQ(files_.statfs("/sys/fs/bpffs", &system), std::nullopt);
  EXPECT_EQ(files_.mkdir(AT_FDCWD, "/sys/fs/bpf/d"), 0);
  struct stat status{};
  EXPECT_EQ(files_.stat(AT_FDCWD, "/sys/fs/bpf/d/", &status), 0);
  EXPECT_TRUE(S_ISDIR(status.st_mode));
  EXPECT_EQ(files_.access(AT_FDCWD, "/sys/fs/bpf/d"), 0);
  EXPECT_EQ(files_.access(AT_FDCWD, "/sys/fs/bpf/e"), -ENOENT);
}

TEST_F(VirtualFileSystem, ListsDirectories) {
  for (const char* path : {"/sys/fs/bpf/b", "/sys/fs/bpf/a", "/sys/fs/bpf/a/below"}) {
    EXPECT_EQ(files_.mkdir(AT_FDCWD, path), 0);
  }
  const auto opened = files_.opendir("/sys/fs/bpf");
  ASSERT_TRUE(opened && *opened);
  std::vector<std::string> names;
  for (const dirent64& entry : files_.stream(**opened)->entries) names.emplace_back(entry.d_name);
  EXPECT_EQ(names, (std::vector<std::string>{".", "..", "a", "b"}));
  EXPECT_TRUE(files_.closedir(**opened));
  EXPECT_FALSE(files_.closedir(**opened));
  EXPECT_EQ(files_.opendir("/sys/fs/bpf/c")->error(), -ENOENT);
  EXPECT_FALSE(files_.opendir("/tmp").has_value());
}

TEST_F(VirtualFileSystem, NumbersOfEventsStandInFiles) {
  EXPECT_EQ(files_.read("/sys/bus/event_source/devices/kprobe/type"), std::to_string(kKprobeType) + "\n");
  EXPECT_EQ(files_.read("/sys/bus/event_source/devices/uprobe/format/retprobe"), "config:0\n");
  const auto id = files_.read("/sys/kernel/tracing/events/sched/sched_switch/id");
  EXPECT_EQ(files_.read("/sys/kernel/debug/tracing/events/sched/sched_switch/id"), id);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(process_.tracepoints.name_of(std::stoull(*id)), "sched/sched_switch");
  EXPECT_EQ(files_.read("/sys/kernel/tracing/events/id"), std::nullopt);
  EXPECT_EQ(files_.read("/sys/kernel/btf/vmlinux"), std::nullopt);
}

TEST(PathNames, AreNormal) {
  EXPECT_EQ(normal_path("/base", "a"), "/base/a");
  EXPECT_EQ(normal_path("/base", "/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(normal_path("/base", "../../.."), "/");
  EXPECT_EQ(normal_path("", "/"), "/");
}

}  // namespace
}  // namespace forager::syscall::testing

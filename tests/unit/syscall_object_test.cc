// SPDX-License-Identifier: Apache-2.0
// Ids, links and BTF through bpf(2), ours beside the kernel's.
#include <bpf/btf.h>
#include <sched.h>

#include <memory>
#include <set>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

class ObjectCommands : public BpfTest {
 protected:
  bpf_attr id_attr(__u32 id, __u32 flags = 0) {
    bpf_attr attr = empty_attr();
    attr.start_id = id;
    attr.open_flags = flags;
    return attr;
  }
  int program(unsigned type = BPF_PROG_TYPE_XDP) {
    const Code code = return_2();
    return load(prog_attr(code, type));
  }
  int array() { return create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1)); }
  // BTF: one int of 4 bytes (id 1), a pointer to it (id 2).
  static std::vector<char> some_btf() {
    ::btf* types = btf__new_empty();
    btf__add_int(types, "int", 4, BTF_INT_SIGNED);
    btf__add_ptr(types, 1);
    __u32 size = 0;
    const auto* bytes = static_cast<const char*>(btf__raw_data(types, &size));
    std::vector<char> copy(bytes, bytes + size);
    btf__free(types);
    return copy;
  }
  static bpf_attr btf_attr(const std::vector<char>& bytes) {
    bpf_attr attr = empty_attr();
    attr.btf = address_of(bytes.data());
    attr.btf_size = static_cast<__u32>(bytes.size());
    return attr;
  }
};
FORAGER_ON_BOTH(ObjectCommands);

// ---- ids ---------------------------------------------------------------------------------------------------------

TEST_P(ObjectCommands, IdsAreListedInOrder) {
  const int first = array(), second = array();
  const __u32 low = info_of<bpf_map_info>(first).id, high = info_of<bpf_map_info>(second).id;
  EXPECT_LT(low, high);
  std::set<__u32> seen;
  bpf_attr attr = id_attr(0);
  while (bpf(BPF_MAP_GET_NEXT_ID, attr) == 0) {
    EXPECT_GT(attr.next_id, attr.start_id);
    seen.insert(attr.next_id);
    attr = id_attr(attr.next_id);
  }
  EXPECT_TRUE(seen.contains(low));
  EXPECT_TRUE(seen.contains(high));
}

TEST_P(ObjectCommands, ListsEnd) {
  for (const int command : {BPF_MAP_GET_NEXT_ID, BPF_PROG_GET_NEXT_ID, BPF_BTF_GET_NEXT_ID, BPF_LINK_GET_NEXT_ID}) {
    EXPECT_EQ(bpf(command, id_attr(0x7ffffffe)), -ENOENT);
    EXPECT_EQ(bpf(command, id_attr(0x7fffffff)), -EINVAL);
    EXPECT_EQ(bpf(command, id_attr(0, 1)), -EINVAL) << "open_flags has no meaning here";
  }
}

TEST_P(ObjectCommands, IdsNameObjectsAsLongAsTheyLive) {
  const int fd = program();
  const __u32 id = info_of<bpf_prog_info>(fd).id;
  const int again = open(BPF_PROG_GET_FD_BY_ID, id_attr(id));
  EXPECT_EQ(info_of<bpf_prog_info>(again).id, id);
  EXPECT_EQ(close(fd), 0);
  EXPECT_EQ(info_of<bpf_prog_info>(again).id, id);
  EXPECT_EQ(close(again), 0);
  if (ours()) {  // the kernel takes its time
    EXPECT_EQ(bpf(BPF_PROG_GET_FD_BY_ID, id_attr(id)), -ENOENT);
  }
  EXPECT_EQ(bpf(BPF_MAP_GET_FD_BY_ID, id_attr(0x7ffffffe)), -ENOENT);
  EXPECT_EQ(bpf(BPF_BTF_GET_FD_BY_ID, id_attr(0x7ffffffe)), -ENOENT);
  EXPECT_EQ(bpf(BPF_LINK_GET_FD_BY_ID, id_attr(0x7ffffffe)), -ENOENT);
}

TEST_P(ObjectCommands, MapsOpenedByIdHaveDirections) {
  const __u32 id = info_of<bpf_map_info>(array()).id;
  const int reader = open(BPF_MAP_GET_FD_BY_ID, id_attr(id, BPF_F_RDONLY));
  const __u32 key = 0;
  __u64 value = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(reader, &key, &value)), 0);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(reader, &key, &value)), -EPERM);
  EXPECT_EQ(bpf(BPF_MAP_GET_FD_BY_ID, id_attr(id, 1U << 20)), -EINVAL);
}

TEST_P(ObjectCommands, ProgramsKeepTheirMaps) {
  const int map = array();
  const __u32 id = info_of<bpf_map_info>(map).id;
  const Code code = {{0x18, 1, BPF_PSEUDO_MAP_FD, 0, map}, {0, 0, 0, 0, 0}, {0xb7, 0, 0, 0, 2}, {0x95, 0, 0, 0, 0}};
  const int program = load(prog_attr(code));
  EXPECT_EQ(close(map), 0);
  const int again = open(BPF_MAP_GET_FD_BY_ID, id_attr(id));
  EXPECT_EQ(info_of<bpf_map_info>(again).id, id);
  EXPECT_EQ(close(again), 0);
  EXPECT_EQ(close(program), 0);
  if (ours()) {
    EXPECT_EQ(bpf(BPF_MAP_GET_FD_BY_ID, id_attr(id)), -ENOENT);
  }
}

// ---- BTF ---------------------------------------------------------------------------------------------------------

TEST_P(ObjectCommands, BtfComesBackAsItWasLoaded) {
  const std::vector<char> bytes = some_btf();
  const int fd = open(BPF_BTF_LOAD, btf_attr(bytes));
  std::vector<char> back(bytes.size());
  bpf_btf_info info{};
  info.btf = address_of(back.data());
  info.btf_size = static_cast<__u32>(back.size());
  bpf_attr ask = empty_attr();
  ask.info.bpf_fd = static_cast<__u32>(fd);
  ask.info.info_len = sizeof info;
  ask.info.info = address_of(&info);
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), 0);
  EXPECT_EQ(back, bytes);
  EXPECT_GT(info.id, 0U);
  EXPECT_EQ(info.kernel_btf, 0U);
  EXPECT_EQ(info_of<bpf_btf_info>(open(BPF_BTF_GET_FD_BY_ID, id_attr(info.id))).id, info.id);
}

TEST_P(ObjectCommands, BrokenBtfIsRefused) {
  const std::vector<char> good = some_btf();
  std::vector<char> bytes = good;
  bytes[0] = 0;
  EXPECT_EQ(bpf(BPF_BTF_LOAD, btf_attr(bytes)), -EINVAL) << "magic";
  bytes = good;
  bytes.pop_back();
  EXPECT_EQ(bpf(BPF_BTF_LOAD, btf_attr(bytes)), -EINVAL) << "truncated";
  bytes = good;
  auto* pointee = reinterpret_cast<__u32*>(bytes.data() + sizeof(btf_header) + sizeof(btf_type) + 4 + 8);
  ASSERT_EQ(*pointee, 1U);
  *pointee = 77;
  EXPECT_EQ(bpf(BPF_BTF_LOAD, btf_attr(bytes)), -EINVAL) << "a pointer to a type that is not there";
  bpf_attr attr = btf_attr(good);
  attr.btf = bad_address();
  EXPECT_EQ(bpf(BPF_BTF_LOAD, attr), -EFAULT);
  attr = btf_attr(good);
  attr.btf_size = 16 * 1024 * 1024 + 1;
  EXPECT_EQ(bpf(BPF_BTF_LOAD, attr), -E2BIG);
  attr = btf_attr(good);
  attr.btf_size = 0;
  EXPECT_EQ(bpf(BPF_BTF_LOAD, attr), -EINVAL);
}

TEST_P(ObjectCommands, MapsTakeTypesOfTheirSizes) {
  const std::vector<char> bytes = some_btf();
  const auto btf = static_cast<__u32>(open(BPF_BTF_LOAD, btf_attr(bytes)));
  const auto result = [&](bpf_attr attr, __u32 fd, __u32 key, __u32 value) {
    attr.btf_fd = fd;
    attr.btf_key_type_id = key;
    attr.btf_value_type_id = value;
    const long map = bpf(BPF_MAP_CREATE, attr);
    if (map >= 0) (void)close(static_cast<int>(map));
    return map >= 0 ? 0 : map;
  };
  const bpf_attr hash = map_attr(BPF_MAP_TYPE_HASH, 4, 4, 1), wide = map_attr(BPF_MAP_TYPE_HASH, 4, 8, 1);
  EXPECT_EQ(result(hash, btf, 1, 1), 0);
  EXPECT_EQ(result(wide, btf, 1, 1), -EINVAL) << "the value has 8 bytes, the type 4";
  EXPECT_EQ(result(hash, btf, 1, 99), -EINVAL);
  EXPECT_EQ(result(hash, btf, 1, 0), -EINVAL) << "a key type alone";
  EXPECT_EQ(result(hash, 9999, 1, 1), -EBADF);
  EXPECT_EQ(result(map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1), btf, 1, 1), 0);
  EXPECT_EQ(result(map_attr(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1), btf, 1, 1), -524);
  EXPECT_EQ(result(map_attr(BPF_MAP_TYPE_DEVMAP, 4, 4, 1), btf, 1, 1), -524);
}

// A socket's, a task's or an inode's storage says what its keys (descriptors) and values are.
TEST_P(ObjectCommands, LocalStorageHasTypes) {
  const std::unique_ptr<::btf, void (*)(::btf*)> types(btf__new_empty(), btf__free);
  const auto number = [](int id) { return static_cast<__u32>(id); };
  const __u32 plain = number(btf__add_int(types.get(), "int", 4, BTF_INT_SIGNED));
  const __u32 wide = number(btf__add_int(types.get(), "long", 8, 0));
  const __u32 named = number(btf__add_typedef(types.get(), "fd", static_cast<int>(plain)));
  const __u32 record = number(btf__add_struct(types.get(), "record", 4));
  btf__add_field(types.get(), "fd", static_cast<int>(plain), 0, 0);
  __u32 size = 0;
  const auto* bytes = static_cast<const char*>(btf__raw_data(types.get(), &size));
  const int fd = open(BPF_BTF_LOAD, btf_attr({bytes, bytes + size}));
  const auto result = [&](__u32 key, __u32 value, unsigned value_size = 8) {
    bpf_attr attr = map_attr(BPF_MAP_TYPE_SK_STORAGE, 4, value_size, 0, BPF_F_NO_PREALLOC);
    attr.btf_fd = static_cast<__u32>(fd);
    attr.btf_key_type_id = key;
    attr.btf_value_type_id = value;
    const long map = bpf(BPF_MAP_CREATE, attr);
    if (map >= 0) (void)close(static_cast<int>(map));
    return map >= 0 ? 0 : map;
  };
  EXPECT_EQ(result(plain, wide), 0);
  EXPECT_EQ(result(named, wide), 0);
  EXPECT_EQ(result(0, 0), -EINVAL);
  EXPECT_EQ(result(0, wide), -EINVAL);
  EXPECT_EQ(result(plain, 0), -EINVAL);
  EXPECT_EQ(result(record, wide), -EINVAL) << "4 bytes, and no integer";
  EXPECT_EQ(result(0, 0, 70000), -EINVAL) << "before its size is looked at";
}

// ---- links -------------------------------------------------------------------------------------------------------

// Links attach to interface 1, which on the kernel is the loopback of a network namespace of the test's own.
class Links : public ObjectCommands {
 protected:
  void SetUp() override {
    ObjectCommands::SetUp();
    if (IsSkipped() || ours()) return;
    if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
  }
  static bpf_attr link_attr(int fd, __u32 ifindex) {
    bpf_attr attr = empty_attr();
    attr.link_create.prog_fd = static_cast<__u32>(fd);
    attr.link_create.target_ifindex = ifindex;
    attr.link_create.attach_type = BPF_XDP;
    return attr;
  }
  static bpf_attr update_attr(int link, int next, __u32 flags = 0, int old = 0) {
    bpf_attr attr = empty_attr();
    attr.link_update.link_fd = static_cast<__u32>(link);
    attr.link_update.new_prog_fd = static_cast<__u32>(next);
    attr.link_update.flags = flags;
    attr.link_update.old_prog_fd = static_cast<__u32>(old);
    return attr;
  }
  bpf_attr detach_attr(int link) {
    bpf_attr attr = empty_attr();
    attr.link_detach.link_fd = static_cast<__u32>(link);
    return attr;
  }
};
FORAGER_ON_BOTH(Links);

TEST_P(Links, AttachOnceAPort) {
  const int fd = program();
  const int link = open(BPF_LINK_CREATE, link_attr(fd, 1));
  const auto info = info_of<bpf_link_info>(link);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_XDP});
  EXPECT_EQ(info.prog_id, info_of<bpf_prog_info>(fd).id);
  EXPECT_EQ(info.xdp.ifindex, 1U);
  EXPECT_EQ(info_of<bpf_link_info>(open(BPF_LINK_GET_FD_BY_ID, id_attr(info.id))).id, info.id);
  EXPECT_EQ(bpf(BPF_LINK_CREATE, link_attr(fd, 1)), -EBUSY);
}

TEST_P(Links, AreChecked) {
  const int fd = program();
  EXPECT_EQ(bpf(BPF_LINK_CREATE, link_attr(9999, 1)), -EBADF);
  EXPECT_EQ(bpf(BPF_LINK_CREATE, link_attr(fd, 0)), -EINVAL);
  bpf_attr attr = link_attr(fd, 1);
  attr.link_create.flags = 1U << 20;
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr), -EINVAL);
  attr = link_attr(fd, 1);
  attr.link_create.attach_type = BPF_SK_LOOKUP;
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr), -EINVAL);
  EXPECT_EQ(bpf(BPF_LINK_DETACH, detach_attr(fd)), -EINVAL) << "a program is no link";
  attr = link_attr(program(BPF_PROG_TYPE_TRACEPOINT), static_cast<__u32>(-1));
  attr.link_create.attach_type = BPF_PERF_EVENT;
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr), -EBADF) << "libbpf's probe for perf links";
}

TEST_P(Links, ChangeTheirProgram) {
  const int first = program(), second = program();
  const int link = open(BPF_LINK_CREATE, link_attr(first, 1));
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, second)), 0);
  EXPECT_EQ(info_of<bpf_link_info>(link).prog_id, info_of<bpf_prog_info>(second).id);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, first, BPF_F_REPLACE, first)), -EPERM);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, first, BPF_F_REPLACE, second)), 0);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, first, 0, second)), -EINVAL);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, first, 1U << 20)), -EINVAL);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, program(BPF_PROG_TYPE_SOCKET_FILTER))), -EINVAL);
}

TEST_P(Links, DetachAndLeaveThePort) {
  const int fd = program();
  const int link = open(BPF_LINK_CREATE, link_attr(fd, 1));
  EXPECT_EQ(bpf(BPF_LINK_DETACH, detach_attr(link)), 0);
  EXPECT_EQ(info_of<bpf_link_info>(link).xdp.ifindex, 0U);
  EXPECT_EQ(bpf(BPF_LINK_UPDATE, update_attr(link, program())), -ENOLINK);
  const int next = open(BPF_LINK_CREATE, link_attr(fd, 1));
  EXPECT_EQ(close(next), 0) << "the last descriptor detaches";
  EXPECT_GE(open(BPF_LINK_CREATE, link_attr(fd, 1)), 0);
}

}  // namespace
}  // namespace forager::syscall::testing

// SPDX-License-Identifier: Apache-2.0
// Iterators through bpf(2), ours beside the kernel's where it takes such programs (some kernels take no tracing
// programs at all). tests/e2e/iterators.c has what a libbpf application sees.
#include <fcntl.h>

#include <algorithm>
#include <set>

#include "program/text.h"
#include "syscall/iterator_file.h"
#include "syscall/kernel_types.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

// Writes key and value, 4 and 8 bytes; nothing at the end.
constexpr const char* kCopies = R"(
    r6 = r1
    r7 = *(u64 *)(r1 +0)
    r7 = *(u64 *)(r7 +0)
    r2 = *(u64 *)(r6 +16)
    if r2 == 0 goto out
    r1 = r7
    r3 = 4
    call bpf_seq_write
    r2 = *(u64 *)(r6 +24)
    if r2 == 0 goto out
    r1 = r7
    r3 = 8
    call bpf_seq_write
  out:
    r0 = 0
    exit
)";
// Adds 1 to the 8 bytes of the value.
constexpr const char* kAdds = R"(
    r2 = *(u64 *)(r1 +24)
    if r2 == 0 goto out
    r3 = *(u64 *)(r2 +0)
    r3 += 1
    *(u64 *)(r2 +0) = r3
  out:
    r0 = 0
    exit
)";
constexpr const char* kReadsFarIntoValues = R"(
    r2 = *(u64 *)(r1 +24)
    if r2 == 0 goto out
    r3 = *(u64 *)(r2 +8)
  out:
    r0 = 0
    exit
)";
constexpr const char* kNothing = "r0 = 0\nexit\n";

std::uint32_t function_of(const std::string& name) {
  static const std::shared_ptr<const ::btf> kTypes = kernel_types();
  const int id = kTypes == nullptr ? -1 : btf__find_by_name_kind(kTypes.get(), name.c_str(), BTF_KIND_FUNC);
  return id < 0 ? 0 : static_cast<std::uint32_t>(id);
}

Code code_of(const char* text) {
  const auto slots = program::assemble(text, {});
  EXPECT_TRUE(slots) << slots.error().text();
  Code code(slots->size());
  std::memcpy(code.data(), slots->data(), code.size() * sizeof code[0]);
  return code;
}

struct Element {
  __u32 key;
  __u64 value;
  friend auto operator<=>(const Element&, const Element&) = default;
};

class Iterators : public BpfTest {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped()) return;
    if (function_of("bpf_iter_bpf_map_elem") == 0) GTEST_SKIP() << "the machine's kernel has no BTF";
    if (ours()) return;
    const long fd = try_load(kNothing);
    if (fd < 0)
      GTEST_SKIP() << "no kernel to compare with: it takes no iterators: " << std::strerror(static_cast<int>(-fd));
    ::close(static_cast<int>(fd));
  }

  static bpf_attr program_attr(const Code& code, const char* target = "bpf_map_elem") {
    bpf_attr attr = prog_attr(code, BPF_PROG_TYPE_TRACING);
    attr.expected_attach_type = BPF_TRACE_ITER;
    attr.attach_btf_id = function_of(std::string("bpf_iter_") + target);
    return attr;
  }
  long try_load(const char* text) {
    const Code code = code_of(text);
    return bpf(BPF_PROG_LOAD, program_attr(code));
  }
  int load_iterator(const char* text) {
    const Code code = code_of(text);
    return load(program_attr(code));
  }

  struct Info {
    __u32 map_fd;
    __u32 rest[3];
  };
  static bpf_attr link_attr(int program, const void* info, unsigned length) {
    bpf_attr attr = empty_attr();
    attr.link_create.prog_fd = static_cast<__u32>(program);
    attr.link_create.attach_type = BPF_TRACE_ITER;
    attr.link_create.iter_info = address_of(info);
    attr.link_create.iter_info_len = length;
    return attr;
  }
  long try_attach(int program, int map) {
    const Info info{.map_fd = static_cast<__u32>(map), .rest = {}};
    return bpf(BPF_LINK_CREATE, link_attr(program, &info, sizeof info));
  }
  int attach(int program, int map) {
    const Info info{.map_fd = static_cast<__u32>(map), .rest = {}};
    return open(BPF_LINK_CREATE, link_attr(program, &info, sizeof info));
  }
  static bpf_attr iter_attr(int link, unsigned flags = 0) {
    bpf_attr attr = empty_attr();
    attr.iter_create.link_fd = static_cast<__u32>(link);
    attr.iter_create.flags = flags;
    return attr;
  }
  int iterator(int link) { return open(BPF_ITER_CREATE, iter_attr(link)); }
  int iterator_of(const char* text, int map) { return iterator(attach(load_iterator(text), map)); }

  long read(int fd, void* to, std::size_t size) {
    if (!ours()) {
      const long result = ::syscall(SYS_read, fd, to, size);
      return result < 0 ? -errno : result;
    }
    auto& fds = static_cast<OurSystem&>(system()).process.fds;
    return read_iterator(fds, fd, address_of(to), size).value_or(-EBADF);
  }

  // What kCopies wrote, to the end; `between` runs after each read of `size` bytes.
  template <class Between>
  std::vector<Element> elements_of(int fd, std::size_t size, Between between) {
    std::string text;
    std::string piece(size, '\0');
    while (true) {
      const long bytes = read(fd, piece.data(), piece.size());
      EXPECT_GE(bytes, 0) << std::strerror(static_cast<int>(-bytes));
      if (bytes <= 0) break;
      text.append(piece, 0, static_cast<std::size_t>(bytes));
      between();
    }
    std::vector<Element> elements;
    for (std::size_t at = 0; at + 12 <= text.size(); at += 12) {
      Element& element = elements.emplace_back();
      std::memcpy(&element.key, text.data() + at, 4);
      std::memcpy(&element.value, text.data() + at + 4, 8);
    }
    return elements;
  }
  std::vector<Element> elements_of(int fd) {
    return elements_of(fd, 4096, [] {});
  }

  void put(int map, __u32 key, __u64 value) { EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, &value)), 0); }
  void erase(int map, __u32 key) { (void)bpf(BPF_MAP_DELETE_ELEM, element_attr(map, &key, nullptr)); }
  __u64 value_at(int map, __u32 key) {
    __u64 value = 0;
    EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, &value)), 0);
    return value;
  }
};
FORAGER_ON_BOTH(Iterators);

// ---- loading -------------------------------------------------------------------------------------------------------

TEST_P(Iterators, AProgramNamesItsTargetByAFunctionOfTheKernel) {
  const Code code = code_of(kNothing);
  bpf_attr attr = program_attr(code, "no_such_target");
  attr.attach_btf_id = 1;  // void, an integer: no function in any case
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
  attr.attach_btf_id = 1U << 30;
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
  attr = program_attr(code, "run_prog");  // a function of the kernel's that is no target
  if (attr.attach_btf_id != 0) {
    EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
  }
  attr = program_attr(code);
  attr.prog_type = BPF_PROG_TYPE_XDP;
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
}

TEST_P(Iterators, OnlyIteratorsWriteTexts) {
  const Code code = code_of(kCopies);
  bpf_attr attr = program_attr(code);
  EXPECT_GE(load(attr), 0);
  attr.license = address_of("proprietary");
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
}

// ---- links ---------------------------------------------------------------------------------------------------------

TEST_P(Iterators, AttributesOfLinksAreChecked) {
  const int program = load_iterator(kCopies), map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 2));
  const Info info{.map_fd = static_cast<__u32>(map), .rest = {}};
  struct {
    Info info;
    unsigned char more[16];
  } longer{.info = info, .more = {}};
  const auto answer = [&](auto change) {
    bpf_attr attr = link_attr(program, &info, sizeof info);
    change(attr.link_create);
    const long fd = bpf(BPF_LINK_CREATE, attr);
    if (fd >= 0) (void)system().close(static_cast<int>(fd));
    return fd < 0 ? fd : 0;
  };
  EXPECT_EQ(answer([](auto&) {}), 0);
  EXPECT_EQ(answer([](auto& link) { link.iter_info_len = 4; }), 0) << "an older caller's union";
  EXPECT_EQ(answer([&](auto& link) { link.iter_info = address_of(&longer), link.iter_info_len = sizeof longer; }), 0);
  longer.more[15] = 1;
  EXPECT_EQ(answer([&](auto& link) { link.iter_info = address_of(&longer), link.iter_info_len = sizeof longer; }),
            -E2BIG);
  EXPECT_EQ(answer([](auto& link) { link.iter_info = 0; }), -EINVAL);
  EXPECT_EQ(answer([](auto& link) { link.iter_info_len = 0; }), -EINVAL);
  EXPECT_EQ(answer([](auto& link) { link.iter_info = bad_address(); }), -EFAULT);
  EXPECT_EQ(answer([](auto& link) { link.target_fd = 1; }), -EINVAL);
  EXPECT_EQ(answer([](auto& link) { link.flags = 1; }), -EINVAL);
  EXPECT_EQ(answer([](auto& link) { link.attach_type = BPF_TRACE_FENTRY; }), -EINVAL);
  EXPECT_EQ(answer([](auto& link) { link.iter_info = 0, link.iter_info_len = 0; }), -EBADF);
  EXPECT_EQ(try_attach(program, 9999), -EBADF);
  EXPECT_EQ(try_attach(program, program), -EINVAL);
}

TEST_P(Iterators, KeysAndValuesHaveToBeAsLongAsTheProgramReaches) {
  const int program = load_iterator(kReadsFarIntoValues);
  const auto answer = [&](unsigned type, unsigned value) {
    const long fd = try_attach(program, create_map(map_attr(type, 4, value, 2)));
    if (fd >= 0) (void)system().close(static_cast<int>(fd));
    return fd < 0 ? fd : 0;
  };
  EXPECT_EQ(answer(BPF_MAP_TYPE_ARRAY, 16), 0);
  EXPECT_EQ(answer(BPF_MAP_TYPE_ARRAY, 15), -EACCES);
  EXPECT_EQ(answer(BPF_MAP_TYPE_HASH, 8), -EACCES);
  EXPECT_EQ(answer(BPF_MAP_TYPE_LRU_HASH, 24), 0);
  EXPECT_EQ(answer(BPF_MAP_TYPE_PERCPU_HASH, 9), 0) << "rounded up to 16 bytes";
}

TEST_P(Iterators, UpdatesTakeIteratorsOfTheSameTarget) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 2));
  const int link = attach(load_iterator(kCopies), map);
  const Code code = code_of(kNothing);
  const int of_maps = load(program_attr(code, "bpf_map")), xdp = load(prog_attr(return_2()));
  const auto update = [&](int program) {
    bpf_attr attr = empty_attr();
    attr.link_update.link_fd = static_cast<__u32>(link);
    attr.link_update.new_prog_fd = static_cast<__u32>(program);
    return bpf(BPF_LINK_UPDATE, attr);
  };
  EXPECT_EQ(update(of_maps), -EINVAL);
  EXPECT_EQ(update(xdp), -EINVAL);
  const int before = iterator(link);
  EXPECT_EQ(update(load_iterator(kNothing)), 0);
  EXPECT_EQ(elements_of(before).size(), 2U) << "a walk that has begun keeps its program";
  EXPECT_TRUE(elements_of(iterator(link)).empty());
  // Linux up to 6.18 lets it in, and reads behind the values.
  if (ours()) {
    EXPECT_EQ(update(load_iterator(kReadsFarIntoValues)), -EACCES);
  }
}

TEST_P(Iterators, LinksStayAttached) {
  const int link = attach(load_iterator(kCopies), create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 2)));
  bpf_attr attr = empty_attr();
  attr.link_detach.link_fd = static_cast<__u32>(link);
  EXPECT_EQ(bpf(BPF_LINK_DETACH, attr), -EOPNOTSUPP);
}

TEST_P(Iterators, LinksArePinned) {
  if (!ours()) GTEST_SKIP() << "a pin in the machine's own bpffs would outlive a test that fails";
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 3));
  const int link = attach(load_iterator(kCopies), map);
  bpf_attr attr = empty_attr();
  attr.pathname = address_of("/sys/fs/bpf/walk");
  attr.bpf_fd = static_cast<__u32>(link);
  ASSERT_EQ(bpf(BPF_OBJ_PIN, attr), 0);
  close(link);
  attr.bpf_fd = 0;
  EXPECT_EQ(elements_of(iterator(open(BPF_OBJ_GET, attr))).size(), 3U);
}

// ---- iterators -----------------------------------------------------------------------------------------------------

TEST_P(Iterators, OnlyLinksOfIteratorsAreWalked) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 2));
  const int link = attach(load_iterator(kCopies), map);
  EXPECT_EQ(bpf(BPF_ITER_CREATE, iter_attr(link, 1)), -EINVAL);
  EXPECT_EQ(bpf(BPF_ITER_CREATE, iter_attr(map)), -EINVAL);
  EXPECT_EQ(bpf(BPF_ITER_CREATE, iter_attr(9999)), -EBADF);
  const int walk = iterator(link);
  EXPECT_EQ(bpf(BPF_ITER_CREATE, iter_attr(walk)), -EINVAL);
  EXPECT_NE(fcntl(walk, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(Iterators, AWalkOutlivesItsLinkAndTheMapsDescriptor) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_HASH, 4, 8, 8)), program = load_iterator(kCopies);
  put(map, 7, 70);
  const int link = attach(program, map), walk = iterator(link);
  for (const int fd : {map, program, link}) close(fd);
  EXPECT_EQ(elements_of(walk), (std::vector<Element>{{7, 70}}));
}

TEST_P(Iterators, WhatIsNotTakenIsReadLater) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 3));
  for (__u32 key = 0; key < 3; ++key) put(map, key, key + 100);
  const std::vector<Element> all{{0, 100}, {1, 101}, {2, 102}};
  const int link = attach(load_iterator(kCopies), map);
  for (const std::size_t size : {1UL, 5UL, 12UL, 13UL, 1000UL}) {
    EXPECT_EQ(elements_of(iterator(link), size, [] {}), all) << size << " bytes at a time";
  }
  const int walk = iterator(link);
  EXPECT_EQ(read(walk, reinterpret_cast<void*>(bad_address()), 12), -EFAULT);
  EXPECT_EQ(elements_of(walk), all) << "a read that failed took nothing";
}

TEST_P(Iterators, ValuesAreChangedWhereTheyStand) {
  for (const unsigned type : {BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH}) {
    const int map = create_map(map_attr(type, 4, 8, 4));
    put(map, 1, 41);
    EXPECT_TRUE(elements_of(iterator_of(kAdds, map)).empty());
    EXPECT_EQ(value_at(map, 1), 42U);
  }
}

// A value that other programs were told is constant stays so.
TEST_P(Iterators, ReadOnlyValuesAreRead) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG));
  put(map, 0, 5);
  EXPECT_EQ(elements_of(iterator_of(kCopies, map)), (std::vector<Element>{{0, 5}}));
  if (ours()) {
    EXPECT_EQ(try_attach(load_iterator(kAdds), map), -EACCES);
  }
  const int write_only = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_WRONLY_PROG));
  put(write_only, 0, 6);
  EXPECT_EQ(elements_of(iterator_of(kCopies, write_only)), (std::vector<Element>{{0, 6}}));
}

// Half of the keys come and go while the walk is under way; the other half is seen, each key once.
TEST_P(Iterators, KeysThatStayAreSeenOnce) {
  if (!ours()) GTEST_SKIP() << "Linux may miss keys of a bucket that changes between reads";
  constexpr __u32 kStay = 2000;
  for (const unsigned type : {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH}) {
    const int map = create_map(map_attr(type, 4, 8, 4 * kStay));
    for (__u32 key = 0; key < kStay; ++key) put(map, 2 * key, key);
    __u32 fresh = 1;
    const auto churn = [&] {
      for (int i = 0; i < 50; ++i, fresh += 2) put(map, fresh % (2 * kStay) | 1, 0);
      for (__u32 i = 1; i < 2 * kStay; i += 64) erase(map, (fresh + i) % (2 * kStay) | 1);
    };
    std::multiset<__u32> seen;
    for (const Element& element : elements_of(iterator_of(kCopies, map), 120, churn)) {
      if (element.key % 2 == 0) seen.insert(element.key);
    }
    EXPECT_EQ(seen.size(), kStay);
    EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), kStay);
  }
}

TEST_P(Iterators, LongWalksComeInManyReads) {
  constexpr __u32 kKeys = 20'000;
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, kKeys));
  unsigned reads = 0;
  const auto elements = elements_of(iterator_of(kCopies, map), 1 << 20, [&] { ++reads; });
  ASSERT_EQ(elements.size(), kKeys);
  EXPECT_GT(reads, kKeys * 12 / exec::SeqFile::kBytes) << "no read gives more than the file holds";
  for (__u32 key = 0; key < kKeys; ++key) ASSERT_EQ(elements[key].key, key);
}

// ---- the descriptor ------------------------------------------------------------------------------------------------

TEST(IteratorFile, ReadsThatPassUsByFailLoudly) {
  if (function_of("bpf_iter_bpf_map") == 0) GTEST_SKIP() << "the machine's kernel has no BTF";
  OurSystem system;
  const Code code = code_of(kNothing);
  bpf_attr attr = prog_attr(code, BPF_PROG_TYPE_TRACING);
  attr.expected_attach_type = BPF_TRACE_ITER;
  attr.attach_btf_id = function_of("bpf_iter_bpf_map");
  const auto program = system.bpf(BPF_PROG_LOAD, &attr, sizeof attr);
  ASSERT_GE(program, 0);
  attr = empty_attr();
  attr.link_create.prog_fd = static_cast<__u32>(program);
  attr.link_create.attach_type = BPF_TRACE_ITER;
  const auto link = system.bpf(BPF_LINK_CREATE, &attr, sizeof attr);
  ASSERT_GE(link, 0);
  attr = empty_attr();
  attr.iter_create.link_fd = static_cast<__u32>(link);
  EXPECT_FALSE(IteratorFile::any());
  const int walk = static_cast<int>(system.bpf(BPF_ITER_CREATE, &attr, sizeof attr));
  ASSERT_GE(walk, 0);
  EXPECT_TRUE(IteratorFile::any());
  char byte = 0;
  EXPECT_EQ(::syscall(SYS_read, walk, &byte, 1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(read_iterator(system.process.fds, walk, address_of(&byte), 1), 0);
  EXPECT_FALSE(read_iterator(system.process.fds, static_cast<int>(link), address_of(&byte), 1)) << "not ours to read";
  system.close(walk);
  EXPECT_FALSE(IteratorFile::any());
  system.close(static_cast<int>(link));
  system.close(static_cast<int>(program));
}

}  // namespace
}  // namespace forager::syscall::testing

// SPDX-License-Identifier: Apache-2.0
//
// Tests of bpf(2) run twice: on ours, and on the machine's kernel, which says what is right. A test that derives from
// BpfTest asserts what both must do; where the kernel may not be asked, that half is skipped and says so.
#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "syscall/bpf.h"
#include "syscall/mapping.h"

namespace forager::syscall::testing {

// What the process under test sees of bpf(2) and of the calls that go with it. Results as in the kernel: >= 0, or a
// negative errno.
class System {
 public:
  virtual ~System() = default;
  virtual long bpf(int command, bpf_attr* attr, unsigned size) = 0;
  virtual long close(int fd) = 0;
  virtual long mmap(std::size_t length, int protection, int flags, int fd, off_t offset) = 0;
};

class OurSystem final : public System {
 public:
  long bpf(int command, bpf_attr* attr, unsigned size) override { return syscall::bpf(process, command, attr, size); }
  long close(int fd) override { return process.fds.close(fd); }
  long mmap(std::size_t length, int protection, int flags, int fd, off_t offset) override {
    return map_object(process.fds, {nullptr, length, protection, flags, fd, offset}).value_or(-ENOSYS);
  }
  Process process;
};

class KernelSystem final : public System {
 public:
  long bpf(int command, bpf_attr* attr, unsigned size) override {
    return result(::syscall(SYS_bpf, command, attr, size));
  }
  long close(int fd) override { return result(::close(fd)); }
  long mmap(std::size_t length, int protection, int flags, int fd, off_t offset) override {
    return result(::syscall(SYS_mmap, nullptr, length, protection, flags, fd, offset));
  }

 private:
  static long result(long value) { return value == -1 ? -errno : value; }
};

// All of it zero, padding too.
[[nodiscard]] inline bpf_attr empty_attr() {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  return attr;
}
[[nodiscard]] inline __u64 address_of(const void* pointer) { return reinterpret_cast<__u64>(pointer); }

[[nodiscard]] inline bpf_attr map_attr(unsigned type, unsigned key, unsigned value, unsigned entries,
                                       unsigned flags = 0, const char* name = "") {
  bpf_attr attr = empty_attr();
  attr.map_type = type;
  attr.key_size = key;
  attr.value_size = value;
  attr.max_entries = entries;
  attr.map_flags = flags;
  std::strncpy(attr.map_name, name, sizeof attr.map_name - 1);
  return attr;
}

[[nodiscard]] inline bpf_attr element_attr(long fd, const void* key, const void* value, __u64 flags = 0) {
  bpf_attr attr = empty_attr();
  attr.map_fd = static_cast<__u32>(fd);
  attr.key = address_of(key);
  attr.value = address_of(value);
  attr.flags = flags;
  return attr;
}

using Code = std::vector<bpf_insn>;
inline constexpr bpf_insn kReturn2[] = {{0xb7, 0, 0, 0, 2}, {0x95, 0, 0, 0, 0}};  // r0 = 2; exit
[[nodiscard]] inline Code return_2() { return {std::begin(kReturn2), std::end(kReturn2)}; }

// The code must outlive the attributes.
[[nodiscard]] inline bpf_attr prog_attr(const Code& code, unsigned type = BPF_PROG_TYPE_XDP, const char* name = "") {
  bpf_attr attr = empty_attr();
  attr.prog_type = type;
  attr.insns = address_of(code.data());
  attr.insn_cnt = static_cast<__u32>(code.size());
  attr.license = address_of("GPL");
  std::strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
  return attr;
}

[[nodiscard]] inline std::string why_no_kernel() {
  static const std::string kReason = [] {
    const Code code = return_2();
    bpf_attr attr = prog_attr(code);
    const long fd = KernelSystem().bpf(BPF_PROG_LOAD, &attr, sizeof attr);
    if (fd < 0) return std::string(std::strerror(static_cast<int>(-fd)));
    ::close(static_cast<int>(fd));
    return std::string();
  }();
  return kReason;
}

// Linux major.minor or later.
[[nodiscard]] inline bool kernel_is(int major, int minor) {
  utsname name{};
  int has_major = 0, has_minor = 0;
  if (uname(&name) != 0) return false;
  std::sscanf(name.release, "%d.%d", &has_major, &has_minor);
  return std::pair(has_major, has_minor) >= std::pair(major, minor);
}

enum class Whose { ours, kernel };

class BpfTest : public ::testing::TestWithParam<Whose> {
 protected:
  void SetUp() override {
    if (GetParam() == Whose::kernel && !why_no_kernel().empty()) {
      GTEST_SKIP() << "no kernel to compare with: bpf(2) says " << why_no_kernel();
    }
    if (GetParam() == Whose::kernel) {
      system_ = std::make_unique<KernelSystem>();
    } else {
      system_ = std::make_unique<OurSystem>();
    }
  }
  void TearDown() override {
    for (const int fd : opened_) (void)system_->close(fd);
  }

  long bpf(int command, bpf_attr& attr, unsigned size = sizeof(bpf_attr)) { return system_->bpf(command, &attr, size); }
  long bpf(int command, bpf_attr&& attr) { return bpf(command, attr); }
  // A descriptor that is closed with the test.
  int open(int command, bpf_attr attr) {
    const long fd = bpf(command, attr);
    EXPECT_GE(fd, 0) << "command " << command << ": " << std::strerror(static_cast<int>(-fd));
    if (fd >= 0) opened_.push_back(static_cast<int>(fd));
    return static_cast<int>(fd);
  }
  int create_map(bpf_attr attr) { return open(BPF_MAP_CREATE, attr); }
  int load(bpf_attr attr) { return open(BPF_PROG_LOAD, attr); }
  long close(int fd) {
    std::erase(opened_, fd);
    return system_->close(fd);
  }
  // Whether what is asked answers as Linux major.minor does: ours does, a kernel from then on.
  [[nodiscard]] bool answers_as(int major, int minor) const { return ours() || kernel_is(major, minor); }
  System& system() { return *system_; }
  [[nodiscard]] bool ours() const { return GetParam() == Whose::ours; }

  template <class Info>
  Info info_of(int fd) {
    Info info;
    std::memset(&info, 0, sizeof info);
    bpf_attr attr = empty_attr();
    attr.info.bpf_fd = static_cast<__u32>(fd);
    attr.info.info_len = sizeof info;
    attr.info.info = address_of(&info);
    EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), 0);
    return info;
  }

 private:
  std::unique_ptr<System> system_;
  std::vector<int> opened_;
};

inline std::string name_of(const ::testing::TestParamInfo<Whose>& info) {
  return info.param == Whose::ours ? "ours" : "kernel";
}
#define FORAGER_ON_BOTH(suite) \
  INSTANTIATE_TEST_SUITE_P(Both, suite, ::testing::Values(Whose::ours, Whose::kernel), name_of)

// An address that nobody may touch.
[[nodiscard]] inline __u64 bad_address() { return 0x10; }

}  // namespace forager::syscall::testing

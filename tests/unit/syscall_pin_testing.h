// SPDX-License-Identifier: Apache-2.0
//
// Lives of a process that keeps its pins in a directory, one after the other.
#pragma once

#include <bpf/btf.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>

#include "syscall/pin_store.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {

using Text = std::string;  // bytes of keys and values

template <class T>
Text text_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

[[nodiscard]] inline std::string path(const std::string& name) { return "/sys/fs/bpf/" + name; }

class Life {
 public:
  explicit Life(const std::string& directory) {
    auto opened = process().pin_store.open(directory);
    EXPECT_TRUE(opened.has_value()) << opened.error().text();
    for (const Diagnostic& why : opened ? *opened : std::vector<Diagnostic>()) left_out.push_back(why.text());
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    for (const int fd : opened_) (void)system_.close(fd);
  }

  [[nodiscard]] Process& process() { return system_.process; }
  long bpf(int command, bpf_attr attr) { return system_.bpf(command, &attr, sizeof attr); }
  // A descriptor for as long as the life lasts.
  int open(int command, bpf_attr attr) {
    const long fd = bpf(command, attr);
    EXPECT_GE(fd, 0) << "command " << command << ": " << std::strerror(static_cast<int>(-fd));
    if (fd >= 0) opened_.push_back(static_cast<int>(fd));
    return static_cast<int>(fd);
  }
  int create(bpf_attr attr) { return open(BPF_MAP_CREATE, attr); }
  int load(const Code& code, const char* name = "") {
    return open(BPF_PROG_LOAD, prog_attr(code, BPF_PROG_TYPE_XDP, name));
  }
  long close(int fd) {
    std::erase(opened_, fd);
    return system_.close(fd);
  }

  long pin(int fd, const std::string& where) {
    bpf_attr attr = empty_attr();
    attr.pathname = address_of(where.c_str());
    attr.bpf_fd = static_cast<__u32>(fd);
    return bpf(BPF_OBJ_PIN, attr);
  }
  int get(const std::string& where) {
    bpf_attr attr = empty_attr();
    attr.pathname = address_of(where.c_str());
    return open(BPF_OBJ_GET, attr);
  }
  [[nodiscard]] bool has(const std::string& where) { return process().files.pins().kind_at(where).has_value(); }
  long unlink(const std::string& where) { return process().files.unlink(AT_FDCWD, where.c_str(), 0).value_or(-ENOSYS); }

  long update(int map, const Text& key, const Text& value) {
    return bpf(BPF_MAP_UPDATE_ELEM, element_attr(map, key.empty() ? nullptr : key.data(), value.data()));
  }
  // The value, or nothing.
  Text lookup(int map, const Text& key, std::size_t bytes, int command = BPF_MAP_LOOKUP_ELEM) {
    Text value(bytes, '\0');
    return bpf(command, element_attr(map, key.empty() ? nullptr : key.data(), value.data())) == 0 ? value : Text();
  }
  std::map<Text, Text> contents(int map, std::size_t key_bytes, std::size_t value_bytes) {
    std::map<Text, Text> all;
    Text key(key_bytes, '\0'), next(key_bytes, '\0');
    for (const char* from = nullptr;; from = key.data()) {
      bpf_attr attr = element_attr(map, from, nullptr);
      attr.next_key = address_of(next.data());
      if (bpf(BPF_MAP_GET_NEXT_KEY, attr) != 0) return all;
      key = next;
      if (const Text value = lookup(map, key, value_bytes); !value.empty()) all[key] = value;
    }
  }

  // What the program returns for a packet of zeros.
  int run(int program) {
    std::array<char, 64> packet{};
    bpf_attr attr = empty_attr();
    attr.test.prog_fd = static_cast<__u32>(program);
    attr.test.data_in = address_of(packet.data());
    attr.test.data_size_in = packet.size();
    const long error = system_.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr);
    return error == 0 ? static_cast<int>(attr.test.retval) : static_cast<int>(error);
  }

  template <class Info>
  Info info(int fd) {
    Info info;
    std::memset(&info, 0, sizeof info);
    fill(fd, info);
    return info;
  }
  template <class Info>
  void fill(int fd, Info& info) {
    bpf_attr attr = empty_attr();
    attr.info.bpf_fd = static_cast<__u32>(fd);
    attr.info.info_len = sizeof info;
    attr.info.info = address_of(&info);
    EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), 0);
  }

  std::vector<std::string> left_out;

 private:
  OurSystem system_;
  std::vector<int> opened_;
};

class PinDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory, if there is such a place: thousands of files are written, and each brought to the disk.
    std::string name = (std::filesystem::exists("/dev/shm") ? "/dev/shm/" : ::testing::TempDir()) + "pinsXXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Files but for the lock, sorted.
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.path().filename() != "lock") names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }
  [[nodiscard]] std::size_t count(const std::string& suffix) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(files(), [&](const std::string& name) { return name.ends_with(suffix); }));
  }

  std::string directory_;
};

// ---- programs ----------------------------------------------------------------------------------------------------

// Adds one to the u64 that an array begins with; 2.
[[nodiscard]] inline Code counts_in(int array) {
  return {{0x18, 1, BPF_PSEUDO_MAP_VALUE, 0, array},
          {0, 0, 0, 0, 0},
          {0xb7, 2, 0, 0, 1},
          {0xdb, 1, 2, 0, 0},
          {0xb7, 0, 0, 0, 2},
          {0x95, 0, 0, 0, 0}};
}
// Goes on with the first program of an array; 1 if there is none.
[[nodiscard]] inline Code jumps_to(int programs) {
  return {{0x18, 2, BPF_PSEUDO_MAP_FD, 0, programs}, {0, 0, 0, 0, 0},    {0xb7, 3, 0, 0, 0},
          {0x85, 0, 0, 0, BPF_FUNC_tail_call},       {0xb7, 0, 0, 0, 1}, {0x95, 0, 0, 0, 0}};
}

}  // namespace forager::syscall::testing

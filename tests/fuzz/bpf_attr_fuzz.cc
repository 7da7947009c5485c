// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of bpf(2) calls with any attributes: no crash, no descriptor and no object left over.
//
// An input is a list of calls: a command, the size that the caller claims, a length and so many bytes of attributes.
// Random addresses and descriptors would all be bad ones, so two forms of words are made good: an aligned 64-bit word
// whose top byte is 0xa5 becomes an address in a buffer of our own, and an aligned 32-bit word whose top byte is 0xfd
// one of the descriptors that earlier calls gave. bpf_attr_seeds.cc writes inputs that mean something.
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "syscall/bpf.h"
#include "tests/fuzz/target.h"

namespace {

namespace ours = forager::syscall;
using Input = std::span<const std::uint8_t>;

constexpr int kMostDescriptors = 64;
constexpr std::size_t kMemory = 65536;

// The calls' buffer. Nothing may be touched behind it: values are as large as the calls say.
std::span<std::byte> memory() {
  static auto* const kBase = [] {
    constexpr std::size_t kGuard = std::size_t{1} << 36;
    void* base = mmap(nullptr, kMemory + kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || mprotect(base, kMemory, PROT_READ | PROT_WRITE) != 0) std::abort();
    return static_cast<std::byte*>(base);
  }();
  return {kBase, kMemory};
}

class Calls {
 public:
  explicit Calls(Input input) : input_(input) {}

  void run() {
    while (input_.size() >= 3) step();
    for (const int fd : descriptors_) std::ignore = process_.fds.close(fd);
    process_.fds.sweep();
    const auto& objects = process_.runtime;
    const bool gone =
        !objects.maps().next(0) && !objects.programs().next(0) && !objects.btfs().next(0) && !objects.links().next(0);
    if (!gone) std::abort();
  }

 private:
  void step() {
    const int command = input_[0];
    const unsigned size = input_[1] == 0xff ? 4096 + 1 : input_[1];
    const std::size_t length = std::min<std::size_t>(input_[2], input_.size() - 3);
    std::array<std::byte, 256> attributes{};
    std::memcpy(attributes.data(), input_.data() + 3, length);
    input_ = input_.subspan(3 + length);
    mend(attributes);
    if (command == BPF_PROG_TEST_RUN) run_seldom(attributes);
    const long result =
        ours::bpf(process_, command, reinterpret_cast<bpf_attr*>(attributes.data()), std::min(size, 256U));
    if (result > 2 && fcntl(static_cast<int>(result), F_GETFD) >= 0) keep(static_cast<int>(result));
  }

  // A test run may be asked to go on for hours.
  static void run_seldom(std::span<std::byte> attributes) {
    std::uint32_t repeat = 0;
    std::byte* at = attributes.data() + offsetof(bpf_attr, test.repeat);
    std::memcpy(&repeat, at, sizeof repeat);
    repeat %= 8;
    std::memcpy(at, &repeat, sizeof repeat);
  }

  void keep(int fd) {
    descriptors_.push_back(fd);
    if (descriptors_.size() <= kMostDescriptors) return;
    std::ignore = process_.fds.close(descriptors_.front());
    descriptors_.erase(descriptors_.begin());
  }

  void mend(std::span<std::byte> attributes) const {
    for (std::size_t at = 0; at + 4 <= attributes.size(); at += 4) mend_descriptor(attributes.data() + at);
    for (std::size_t at = 0; at + 8 <= attributes.size(); at += 8) mend_address(attributes.data() + at);
  }

  void mend_descriptor(std::byte* at) const {
    std::uint32_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if (word >> 24 != 0xfd || descriptors_.empty()) return;
    word = static_cast<std::uint32_t>(descriptors_[(word & 0xffffff) % descriptors_.size()]);
    std::memcpy(at, &word, sizeof word);
  }

  // All other numbers that could be addresses lose their way: the fuzzer's own memory is not for writing.
  static void mend_address(std::byte* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if (word >> 56 == 0xa5) {
      word = reinterpret_cast<std::uint64_t>(memory().data()) + (word & 0xffff);
    } else if (word >> 32 >= 0x1000 && word >> 47 == 0) {
      word |= std::uint64_t{1} << 63;
    }
    std::memcpy(at, &word, sizeof word);
  }

  Input input_;
  ours::Process process_;
  std::vector<int> descriptors_;
};

int lowest_free() {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(fd);
  return fd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::ranges::fill(memory(), std::byte{0});
  if (size > 4096) std::memcpy(memory().data(), data + 4096, std::min(size - 4096, kMemory));
  const int before = lowest_free();
  Calls(Input(data, std::min<std::size_t>(size, 4096))).run();
  if (lowest_free() != before) std::abort();
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/kernel.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "tests/fuzz/verifier/code.h"

namespace forager::fuzz {
namespace {

long bpf(int command, bpf_attr& attr) { return ::syscall(SYS_bpf, command, &attr, sizeof attr); }
std::uint64_t address_of(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

int create(const program::MapSpec& spec) {
  bpf_attr attr{};
  attr.map_type = static_cast<std::uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = spec.flags;
  return static_cast<int>(bpf(BPF_MAP_CREATE, attr));
}

// Constants as they are in map_specs(), and frozen.
bool freeze(int map, const program::MapSpec& spec) {
  const std::uint32_t zero = 0;
  bpf_attr attr{};
  attr.map_fd = static_cast<std::uint32_t>(map);
  attr.key = address_of(&zero);
  attr.value = address_of(spec.frozen->data());
  if (bpf(BPF_MAP_UPDATE_ELEM, attr) != 0) return false;
  bpf_attr fd{};
  fd.map_fd = static_cast<std::uint32_t>(map);
  return bpf(BPF_MAP_FREEZE, fd) == 0;
}

// The rules are those of one version; others differ in what they accept.
bool is_the_version() {
  utsname name{};
  return ::uname(&name) == 0 && std::string_view(name.release).starts_with("6.18.");
}

}  // namespace

Kernel::Kernel() {
  if (!is_the_version()) unavailable_ = "the kernel is not Linux 6.18";
  for (const program::MapSpec& spec : map_specs()) {
    maps_.push_back(create(spec));
    const bool made = maps_.back() >= 0 && (spec.frozen == nullptr || freeze(maps_.back(), spec));
    if (!made && unavailable_.empty()) unavailable_ = std::string("bpf(2) makes no maps here: ") + std::strerror(errno);
  }
  const int error = load({.slots = {mov(0, 0), leave()}});
  if (error != 0 && unavailable_.empty())
    unavailable_ = std::string("bpf(2) loads nothing here: ") + std::strerror(error);
}

Kernel::~Kernel() {
  for (const int map : maps_) {
    if (map >= 0) ::close(map);
  }
}

int Kernel::load(const Candidate& candidate, std::string* log) const {
  constexpr std::size_t kLogBytes = 1 << 20;
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insns = address_of(candidate.slots.data());
  attr.insn_cnt = static_cast<std::uint32_t>(candidate.slots.size());
  attr.license = address_of("GPL");
  attr.fd_array = address_of(maps_.data());
  if (candidate.options.strict_alignment) attr.prog_flags |= BPF_F_STRICT_ALIGNMENT;
  if (candidate.options.test_state_freq) attr.prog_flags |= BPF_F_TEST_STATE_FREQ;
  if (log != nullptr) {
    log->assign(kLogBytes, '\0');
    attr.log_level = candidate.options.log_level > 1 ? 2 : 1;
    attr.log_buf = address_of(log->data());
    attr.log_size = kLogBytes;
  }
  const long fd = bpf(BPF_PROG_LOAD, attr);
  const int error = fd >= 0 ? 0 : errno;
  if (fd >= 0) ::close(static_cast<int>(fd));
  if (log != nullptr) log->resize(std::strlen(log->c_str()));
  return error;
}

}  // namespace forager::fuzz

// SPDX-License-Identifier: Apache-2.0
//
// The running kernel as an oracle: loads the text of a program by bpf(2), runs it by BPF_PROG_TEST_RUN, and gives
// back what it returned and the bytes from data_meta to data_end. It speaks to the kernel directly, so that nothing of
// ours stands between.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

#include "exec_testing.h"

namespace forager::exec::testing {

inline long kernel_bpf(int command, bpf_attr& attr) { return ::syscall(SYS_bpf, command, &attr, sizeof(attr)); }

class Descriptor {
 public:
  explicit Descriptor(long fd) : fd_(static_cast<int>(fd)) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class KernelMap {
 public:
  explicit KernelMap(const MapSpec& spec) : spec_(spec), fd_(create(spec)) {}
  [[nodiscard]] bool ok() const { return fd_.get() >= 0; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const MapSpec& spec() const { return spec_; }

  bool update(const void* key, const void* value) { return element(BPF_MAP_UPDATE_ELEM, key, value); }
  bool lookup(const void* key, void* value) { return element(BPF_MAP_LOOKUP_ELEM, key, value); }
  bool freeze() {
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(fd());
    return kernel_bpf(BPF_MAP_FREEZE, attr) == 0;
  }

 private:
  static long create(const MapSpec& spec) {
    bpf_attr attr{};
    attr.map_type = static_cast<__u32>(spec.type);
    attr.key_size = spec.key_size;
    attr.value_size = spec.value_size;
    attr.max_entries = spec.max_entries;
    attr.map_flags = spec.flags;
    return kernel_bpf(BPF_MAP_CREATE, attr);
  }
  bool element(int command, const void* key, const void* value) {
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(fd());
    attr.key = reinterpret_cast<std::uintptr_t>(key);
    attr.value = reinterpret_cast<std::uintptr_t>(value);
    return kernel_bpf(command, attr) == 0;
  }

  MapSpec spec_;
  Descriptor fd_;
};

// "r1 = map[0] ll" names maps by index; the kernel wants descriptors (src 1 and 2 instead of 5 and 6).
inline std::vector<isa::Slot> with_descriptors(std::vector<isa::Slot> slots, const std::vector<KernelMap*>& maps) {
  for (isa::Slot& slot : slots) {
    if (slot.opcode != 0x18 || (slot.src != 5 && slot.src != 6)) continue;
    slot.src = slot.src == 5 ? 1 : 2;
    slot.imm = maps.at(static_cast<std::size_t>(slot.imm))->fd();
  }
  return slots;
}

// Empty descriptor and the verifier's log where the kernel refuses the program.
inline Descriptor try_load_in_kernel(std::string_view text, const std::vector<KernelMap*>& maps, std::string& log,
                                     bpf_prog_type type = BPF_PROG_TYPE_XDP) {
  std::vector<std::string> names;
  names.reserve(maps.size());
  for (const KernelMap* map : maps) names.push_back(map->spec().name);
  const auto assembled = program::assemble(text, names);
  EXPECT_TRUE(assembled) << assembled.error().text() << "\n" << text;
  if (!assembled) return Descriptor(-1);
  const auto slots = with_descriptors(*assembled, maps);
  log.assign(1 << 16, '\0');
  bpf_attr attr{};
  attr.prog_type = type;
  attr.insns = reinterpret_cast<std::uintptr_t>(slots.data());
  attr.insn_cnt = static_cast<__u32>(slots.size());
  attr.license = reinterpret_cast<std::uintptr_t>("GPL");
  attr.log_buf = reinterpret_cast<std::uintptr_t>(log.data());
  attr.log_size = static_cast<__u32>(log.size());
  attr.log_level = 1;
  return Descriptor(kernel_bpf(BPF_PROG_LOAD, attr));
}

inline Descriptor load_in_kernel(std::string_view text, const std::vector<KernelMap*>& maps = {}) {
  std::string log;
  Descriptor program = try_load_in_kernel(text, maps, log);
  EXPECT_GE(program.get(), 0) << log.c_str() << text;
  return program;
}

struct Outcome {
  std::uint32_t returned = 0;
  Bytes data;  // from data_meta to data_end
  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << "returned " << static_cast<std::int32_t>(outcome.returned) << ", "
               << ::testing::PrintToString(outcome.data);
  }
};

inline Outcome run_in_kernel(const Descriptor& program, const Bytes& packet) {
  Outcome outcome{.data = Bytes(8192)};
  bpf_attr attr{};
  attr.test.prog_fd = static_cast<__u32>(program.get());
  attr.test.data_in = reinterpret_cast<std::uintptr_t>(packet.data());
  attr.test.data_size_in = static_cast<__u32>(packet.size());
  attr.test.data_out = reinterpret_cast<std::uintptr_t>(outcome.data.data());
  attr.test.data_size_out = static_cast<__u32>(outcome.data.size());
  EXPECT_EQ(kernel_bpf(BPF_PROG_TEST_RUN, attr), 0) << std::strerror(errno);
  outcome.returned = attr.test.retval;
  outcome.data.resize(attr.test.data_size_out);
  return outcome;
}
inline Outcome run_in_kernel(std::string_view text, const Bytes& packet, const std::vector<KernelMap*>& maps = {}) {
  return run_in_kernel(load_in_kernel(text, maps), packet);
}

// The same on the interpreter; a trap is a failure.
inline Outcome run_here(std::string_view text, const Bytes& packet, const Rig& rig = {}) {
  Frame frame = run(rig, text, packet);
  EXPECT_EQ(trap_of(frame), "") << text;
  const std::span<const std::byte> buffer(frame.buffer(), frame.capacity());
  return {.returned = static_cast<std::uint32_t>(frame.return_value),
          .data = bytes_of(buffer.subspan(frame.data_meta(), frame.data_end() - frame.data_meta()))};
}

// Why the kernel cannot be asked here; empty if it can.
inline std::string no_kernel() {
  bpf_attr attr{};
  constexpr isa::Slot kReturn0[] = {{.opcode = 0xb7}, {.opcode = 0x95}};
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insns = reinterpret_cast<std::uintptr_t>(kReturn0);
  attr.insn_cnt = 2;
  attr.license = reinterpret_cast<std::uintptr_t>("GPL");
  const Descriptor program(kernel_bpf(BPF_PROG_LOAD, attr));
  return program.get() >= 0 ? "" : std::string("bpf(2) loads no XDP program here: ") + std::strerror(errno);
}

// 100 * major + minor
inline int kernel_version() {
  utsname names{};
  int major = 0;
  int minor = 0;
  ::uname(&names);
  return std::sscanf(names.release, "%d.%d", &major, &minor) == 2 ? 100 * major + minor : 0;
}

}  // namespace forager::exec::testing

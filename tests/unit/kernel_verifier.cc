// SPDX-License-Identifier: Apache-2.0
#include "kernel_verifier.h"

#include <linux/bpf.h>
#include <linux/btf.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace forager::isa::test {
namespace {

long bpf(int command, bpf_attr& attr) { return syscall(SYS_bpf, command, &attr, sizeof attr); }

// Size codes of load and store opcodes by log2(bytes): B, H, W, DW.
constexpr std::array<std::uint8_t, 4> kSize = {0x10, 0x08, 0x00, 0x18};
std::uint8_t size_code(unsigned bytes) { return kSize.at(static_cast<std::size_t>(std::countr_zero(bytes))); }

Slot slot(unsigned opcode, unsigned dst, unsigned src, int offset, std::int32_t imm) {
  return {.opcode = static_cast<std::uint8_t>(opcode),
          .dst = static_cast<std::uint8_t>(dst & 0xf),
          .src = static_cast<std::uint8_t>(src & 0xf),
          .offset = static_cast<std::int16_t>(offset),
          .imm = imm};
}

// BTF of two integers of 4 and 8 bytes: local-storage maps need a key and a value type.
int load_btf() {
  struct {
    btf_header header;
    btf_type word;
    std::uint32_t word_bits;
    btf_type wide;
    std::uint32_t wide_bits;
    char strings[5];
  } __attribute__((packed)) blob = {};
  blob.header = {.magic = BTF_MAGIC,
                 .version = BTF_VERSION,
                 .flags = 0,
                 .hdr_len = sizeof(btf_header),
                 .type_off = 0,
                 .type_len = 32,
                 .str_off = 32,
                 .str_len = 5};
  blob.word = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4};
  blob.word_bits = 32;
  blob.wide = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 8};
  blob.wide_bits = 64;
  std::memcpy(blob.strings, "\0int", 5);
  bpf_attr attr{};
  attr.btf = reinterpret_cast<std::uintptr_t>(&blob);
  attr.btf_size = sizeof blob;
  return static_cast<int>(bpf(BPF_BTF_LOAD, attr));
}

struct Shape {
  std::uint32_t key, value, entries;
};
Shape shape_of(MapType type) {
  switch (type) {
    case MapType::stack_trace:
      return {4, 8 * 127, 16};
    case MapType::lpm_trie:
      return {8, 8, 16};
    case MapType::hash:
    case MapType::array:
    case MapType::percpu_hash:
    case MapType::percpu_array:
    case MapType::lru_hash:
    case MapType::lru_percpu_hash:
    case MapType::reuseport_sockarray:
      return {4, 8, 16};
    case MapType::cgroup_storage:
    case MapType::percpu_cgroup_storage:
      return {16, 8, 0};
    case MapType::queue:
    case MapType::stack:
    case MapType::bloom_filter:
      return {0, 8, 16};
    case MapType::sk_storage:
    case MapType::inode_storage:
    case MapType::task_storage:
    case MapType::cgrp_storage:
      return {4, 8, 0};
    case MapType::ringbuf:
    case MapType::user_ringbuf:
      return {0, 0, 4096};
    case MapType::arena:
      return {0, 0, 16};
    default:
      return {4, 4, 16};
  }
}

bool is_storage(MapType type) {
  return type == MapType::sk_storage || type == MapType::inode_storage || type == MapType::task_storage ||
         type == MapType::cgrp_storage;
}
bool holds_maps(MapType type) { return type == MapType::array_of_maps || type == MapType::hash_of_maps; }

}  // namespace

Slot mov(unsigned dst, std::int32_t imm) { return slot(0xb7, dst, 0, 0, imm); }
Slot copy(unsigned dst, unsigned src) { return slot(0xbf, dst, src, 0, 0); }
Slot add(unsigned dst, std::int32_t imm) { return slot(0x07, dst, 0, 0, imm); }
Slot call(std::uint32_t helper) { return slot(0x85, 0, 0, 0, static_cast<std::int32_t>(helper)); }
Slot leave() { return slot(0x95, 0, 0, 0, 0); }
Slot load(unsigned bytes, unsigned dst, unsigned src, int offset) {
  return slot(0x61U | size_code(bytes), dst, src, offset, 0);
}
Slot store(unsigned bytes, unsigned dst, int offset, unsigned src) {
  return slot(0x63U | size_code(bytes), dst, src, offset, 0);
}

Answer ask(const Attempt& attempt) {
  std::array<char, 16384> log{};
  bpf_attr attr{};
  attr.prog_type = static_cast<std::uint32_t>(attempt.type);
  attr.expected_attach_type = attempt.attach_type;
  attr.insns = reinterpret_cast<std::uintptr_t>(attempt.code.data());
  attr.insn_cnt = static_cast<std::uint32_t>(attempt.code.size());
  attr.license = reinterpret_cast<std::uintptr_t>(attempt.licence);
  attr.log_level = 1;
  attr.log_buf = reinterpret_cast<std::uintptr_t>(log.data());
  attr.log_size = log.size();
  if (attempt.type == ProgType::syscall) attr.prog_flags = BPF_F_SLEEPABLE;  // Linux insists
  const long fd = bpf(BPF_PROG_LOAD, attr);
  if (fd >= 0) close(static_cast<int>(fd));
  return {fd >= 0 ? 0 : errno, log.data()};
}

std::string no_kernel() {
  const Code code = {mov(0, 0), leave()};
  const Answer answer = ask({.type = ProgType::socket_filter, .attach_type = 0, .code = code});
  return answer.error == 0 ? "" : std::string("bpf(2) is not permitted here: ") + std::strerror(answer.error);
}

unsigned kernel_version() {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return 0;
  return major * 100 + minor;
}

int create_map(MapType type, std::uint32_t flags) {
  static const int kBtf = load_btf();
  const Shape shape = shape_of(type);
  bpf_attr attr{};
  attr.map_type = static_cast<std::uint32_t>(type);
  attr.key_size = shape.key;
  attr.value_size = shape.value;
  attr.max_entries = shape.entries;
  attr.map_flags = flags;
  if (holds_maps(type)) {
    static const int kInner = create_map(MapType::array, 0);
    attr.inner_map_fd = static_cast<std::uint32_t>(kInner);
  }
  if (is_storage(type)) {
    attr.btf_fd = static_cast<std::uint32_t>(kBtf);
    attr.btf_key_type_id = 1;
    attr.btf_value_type_id = 2;
  }
  const long fd = bpf(BPF_MAP_CREATE, attr);
  return fd >= 0 ? static_cast<int>(fd) : -errno;
}

std::vector<std::uint32_t> places(ProgType type) {
  // These take any expected_attach_type that is theirs, and no rule of theirs depends on it; the kernel wants 0, or
  // (TRACING, LSM) a BTF id too, which stays out of this oracle.
  constexpr ProgType kOnePlace[] = {ProgType::sched_cls,  ProgType::sk_skb,     ProgType::kprobe,
                                    ProgType::perf_event, ProgType::tracepoint, ProgType::flow_dissector,
                                    ProgType::sk_msg};
  std::vector<std::uint32_t> out;
  for (const AttachRow& row : attach_types()) {
    if ((row.program_types & set_of(type)) != 0) out.push_back(static_cast<std::uint32_t>(row.type));
  }
  if (out.empty() || std::ranges::find(kOnePlace, type) != std::end(kOnePlace)) return {0};
  return out;
}

bool loads(ProgType type, std::uint32_t attach_type) {
  const ReturnRange range = return_range(*find_prog_type(static_cast<std::uint32_t>(type)), attach_type);
  const Code code = {mov(0, static_cast<std::int32_t>(range.min)), leave()};
  return ask({.type = type, .attach_type = attach_type, .code = code}).error == 0;
}

}  // namespace forager::isa::test

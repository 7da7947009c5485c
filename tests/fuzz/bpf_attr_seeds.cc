// SPDX-License-Identifier: Apache-2.0
//
// Writes seeds for bpf_attr_fuzz.cc: sequences of calls as programs make them, each command at least once.
//
//   forager_bpf_attr_seeds DIRECTORY
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "isa/tables.h"

namespace {

constexpr std::uint64_t kMemory = 0xa5ULL << 56;  // addresses: bpf_attr_fuzz.cc
constexpr std::uint32_t kDescriptor = 0xfdU << 24;
constexpr std::uint32_t kFirstData = 4096;  // where the bytes of the buffer begin in an input

class Seed {
 public:
  template <class Fill>
  Seed& call(int command, std::size_t size, Fill fill) {
    bpf_attr attr;
    std::memset(&attr, 0, sizeof attr);
    fill(attr);
    bytes_ += static_cast<char>(command);
    bytes_ += static_cast<char>(size);
    bytes_ += static_cast<char>(size);
    bytes_.append(reinterpret_cast<const char*>(&attr), size);
    return *this;
  }
  Seed& data(std::string data) {
    data_ = std::move(data);
    return *this;
  }
  void write(const std::string& path) const {
    std::string out = bytes_;
    if (!data_.empty()) out.resize(kFirstData);
    std::ofstream(path, std::ios::binary) << out << data_;
  }

 private:
  std::string bytes_, data_;
};

// r0 = 0; exit, and a licence behind it.
std::string tiny_program() {
  constexpr bpf_insn kCode[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  return std::string(reinterpret_cast<const char*>(kCode), sizeof kCode) + std::string("GPL\0", 4);
}

Seed elements(const forager::isa::MapRow& row) {
  const auto create = [&](bpf_attr& attr) {
    attr.map_type = static_cast<std::uint32_t>(row.type);
    attr.key_size = 4;
    attr.value_size = 4;
    attr.max_entries = 4096;
    attr.map_flags = row.needed_flags;
  };
  const auto element = [](bpf_attr& attr) {
    attr.map_fd = kDescriptor;
    attr.key = kMemory | 64;
    attr.value = kMemory | 128;
  };
  const auto batch = [](bpf_attr& attr) {
    attr.batch.map_fd = kDescriptor;
    attr.batch.count = 4;
    attr.batch.keys = kMemory | 64;
    attr.batch.values = kMemory | 1024;
    attr.batch.out_batch = kMemory | 2048;
  };
  Seed seed;
  seed.call(BPF_MAP_CREATE, 48, create);
  for (const int command : {BPF_MAP_UPDATE_ELEM, BPF_MAP_LOOKUP_ELEM, BPF_MAP_GET_NEXT_KEY,
                            BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_DELETE_ELEM}) {
    seed.call(command, 32, element);
  }
  for (const int command :
       {BPF_MAP_UPDATE_BATCH, BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH, BPF_MAP_DELETE_BATCH}) {
    seed.call(command, 56, batch);
  }
  seed.call(BPF_MAP_FREEZE, 4, [](bpf_attr& attr) { attr.map_fd = kDescriptor; });
  return seed;
}

Seed program(const forager::isa::ProgTypeRow& row) {
  Seed seed;
  seed.call(BPF_PROG_LOAD, 128, [&](bpf_attr& attr) {
    attr.prog_type = static_cast<std::uint32_t>(row.type);
    attr.insn_cnt = 2;
    attr.insns = kMemory;
    attr.license = kMemory | 16;
  });
  seed.call(BPF_PROG_TEST_RUN, 80, [](bpf_attr& attr) {
    attr.test.prog_fd = kDescriptor;
    attr.test.data_size_in = 64;
    attr.test.data_in = kMemory | 256;
    attr.test.data_size_out = 64;
    attr.test.data_out = kMemory | 512;
  });
  seed.call(BPF_LINK_CREATE, 48, [](bpf_attr& attr) {
    attr.link_create.prog_fd = kDescriptor;
    attr.link_create.target_ifindex = 1;
    attr.link_create.attach_type = BPF_XDP;
  });
  seed.call(BPF_PROG_ATTACH, 32, [](bpf_attr& attr) { attr.attach_bpf_fd = kDescriptor; });
  seed.call(BPF_PROG_QUERY, 64, [](bpf_attr& attr) {
    attr.query.prog_ids = kMemory | 1024;
    attr.query.prog_cnt = 4;
  });
  seed.call(BPF_OBJ_GET_INFO_BY_FD, 16, [](bpf_attr& attr) {
    attr.info.bpf_fd = kDescriptor;
    attr.info.info_len = 200;
    attr.info.info = kMemory | 2048;
  });
  for (const int command : {BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID, BPF_LINK_GET_NEXT_ID, BPF_BTF_GET_NEXT_ID,
                            BPF_PROG_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID, BPF_LINK_DETACH, BPF_ENABLE_STATS}) {
    seed.call(command, 12, [](bpf_attr&) {});
  }
  return seed.data(tiny_program());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} DIRECTORY\n", argv[0]);
    return 2;
  }
  for (const auto& row : forager::isa::maps()) {
    elements(row).write(fmt::format("{}/map_{}.bin", argv[1], row.name));
  }
  for (const auto& row : forager::isa::prog_types()) {
    program(row).write(fmt::format("{}/program_{}.bin", argv[1], row.name));
  }
  return 0;
}

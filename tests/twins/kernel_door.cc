// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/kernel_door.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "jit-backends/linux/raw_bpf.h"
#include "program/map_reference.h"

namespace forager::twins {
namespace {

constexpr std::size_t kLogBytes = std::size_t{16} << 20U;
constexpr unsigned kLogStatistics = 4;  // bpf_attr.log_level
constexpr unsigned kLogPath = 1;

std::vector<std::byte> copy_of(__u64 address, std::size_t bytes) {
  const auto* begin = reinterpret_cast<const std::byte*>(address);
  return address == 0 ? std::vector<std::byte>() : std::vector<std::byte>(begin, begin + bytes);
}

__u64 address_of(const void* pointer) { return reinterpret_cast<__u64>(pointer); }

// The number behind the last `key` in the log, or 0.
std::uint64_t number_behind(std::string_view log, std::string_view key) {
  const std::size_t at = log.rfind(key);
  if (at == std::string_view::npos) return 0;
  return std::strtoull(log.data() + at + key.size(), nullptr, 10);
}

// The log's last line that is not one of the statistics.
std::string last_words(std::string_view log) {
  log = log.substr(0, log.find("verification time "));
  while (!log.empty() && log.back() == '\n') log.remove_suffix(1);
  const std::size_t line = log.rfind('\n');
  return std::string(line == std::string_view::npos ? log : log.substr(line + 1));
}

void read_log(Verdict& verdict) {
  verdict.message = last_words(verdict.log);
  verdict.processed = number_behind(verdict.log, "\nprocessed ");
  if (verdict.log.starts_with("processed ")) verdict.processed = number_behind(verdict.log, "processed ");
  verdict.total_states = number_behind(verdict.log, "total_states ");
  verdict.peak_states = number_behind(verdict.log, "peak_states ");
  verdict.milliseconds = static_cast<double>(number_behind(verdict.log, "verification time ")) / 1000;
}

// One buffer for all calls: the kernel touches only what it writes.
std::vector<char>& log_buffer() {
  thread_local std::vector<char> buffer(kLogBytes);
  return buffer;
}

}  // namespace

long load_smallest() {
  const isa::Slot code[] = {{.opcode = 0xb7}, {.opcode = 0x95}};  // r0 = 0; exit
  bpf_attr attr = jit::linux_kernel::empty_attr();
  attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attr.insns = address_of(code);
  attr.insn_cnt = std::size(code);
  attr.license = address_of("GPL");
  return kernel_bpf(BPF_PROG_LOAD, attr);
}

LoadCall::LoadCall(const bpf_attr& attr, std::size_t size) {
  std::memset(&attr_, 0, sizeof attr_);
  std::memcpy(&attr_, &attr, std::min(size, sizeof attr_));
  const auto* slots = reinterpret_cast<const isa::Slot*>(attr_.insns);
  slots_.assign(slots, slots + attr_.insn_cnt);
  functions_ = copy_of(attr_.func_info, std::size_t{attr_.func_info_cnt} * attr_.func_info_rec_size);
  lines_ = copy_of(attr_.line_info, std::size_t{attr_.line_info_cnt} * attr_.line_info_rec_size);
  licence_ = reinterpret_cast<const char*>(attr_.license);
}

void LoadCall::rename(const std::function<int(int)>& name_of) {
  if (attr_.prog_btf_fd != 0) attr_.prog_btf_fd = static_cast<__u32>(name_of(static_cast<int>(attr_.prog_btf_fd)));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].opcode != program::kWideOpcode) continue;
    if (program::is_map_reference(slots_[i])) slots_[i].imm = name_of(slots_[i].imm);
    ++i;
  }
}

std::string LoadCall::name() const { return {attr_.prog_name, strnlen(attr_.prog_name, sizeof attr_.prog_name)}; }

bpf_attr LoadCall::over(std::span<const isa::Slot> slots) const {
  bpf_attr attr = attr_;
  attr.insns = address_of(slots.data());
  attr.insn_cnt = static_cast<__u32>(slots.size());
  attr.func_info = functions_.empty() ? 0 : address_of(functions_.data());
  attr.line_info = lines_.empty() ? 0 : address_of(lines_.data());
  attr.license = address_of(licence_.c_str());
  attr.core_relos = 0;  // libbpf has applied them
  attr.core_relo_cnt = 0;
  attr.log_level = 0;
  attr.log_buf = 0;
  attr.log_size = 0;
  return attr;
}

long kernel_bpf(int command, bpf_attr& attr, std::size_t size) {
  return jit::linux_kernel::raw_syscall(SYS_bpf, command, reinterpret_cast<long>(&attr), static_cast<long>(size));
}

const std::string& no_kernel() {
  static const std::string kReason = [] {
    const long fd = load_smallest();
    if (fd >= 0) close(static_cast<int>(fd));
    return fd >= 0 ? "" : std::string("bpf(2) is not permitted here: ") + std::strerror(static_cast<int>(-fd));
  }();
  return kReason;
}

Verdict ask_kernel(const LoadCall& call, std::span<const isa::Slot> slots, bool explain) {
  std::vector<char>& log = log_buffer();
  log[0] = 0;
  bpf_attr attr = call.over(slots);
  attr.log_level = kLogStatistics | (explain ? kLogPath : 0);
  attr.log_buf = address_of(log.data());
  attr.log_size = static_cast<__u32>(log.size());
  const long fd = kernel_bpf(BPF_PROG_LOAD, attr);
  if (fd >= 0) close(static_cast<int>(fd));
  Verdict verdict;
  verdict.error = fd >= 0 ? 0 : static_cast<int>(-fd);
  verdict.log = log.data();
  read_log(verdict);
  return verdict;
}

}  // namespace forager::twins

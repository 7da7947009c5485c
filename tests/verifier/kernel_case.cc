// SPDX-License-Identifier: Apache-2.0
#include "kernel_case.h"

#include <bpf/btf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "kernel_maps.h"

namespace forager::verifier::golden {
namespace {

using isa::ProgType;

constexpr std::uint8_t kWide = 0x18;                       // opcode of 64-bit immediates
constexpr std::uint8_t kMapIndex = 5, kMapIndexValue = 6;  // their sources that name maps by index
constexpr std::size_t kLogBytes = std::size_t{1} << 20;

// The program with its maps as the kernel names them; the maps that it names, open.
struct Linked {
  std::vector<isa::Slot> slots;
  std::map<std::uint32_t, Fd> maps;
  std::string trouble;
};

Linked link(const program::Source& source) {
  Linked out{.slots = source.slots};
  for (std::size_t at = 0; at < out.slots.size(); ++at) {
    isa::Slot& slot = out.slots[at];
    if (slot.opcode != kWide) continue;
    ++at;
    if (slot.src != kMapIndex && slot.src != kMapIndexValue) continue;
    const auto index = static_cast<std::uint32_t>(slot.imm);
    if (index >= source.maps.size()) continue;
    const auto made = out.maps.try_emplace(index, create_in_kernel(source.maps[index])).first;
    if (made->second.get() < 0) {
      out.trouble = fmt::format("map {}: {}", source.maps[index].name, std::strerror(-made->second.get()));
    }
    slot.src = slot.src == kMapIndex ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
    slot.imm = made->second.get();
  }
  return out;
}

struct Signatures {
  Fd btf{-1};
  std::vector<bpf_func_info> functions;
};

Signatures describe(const program::Source& source) {
  Signatures out;
  if (source.functions.empty()) return out;
  KernelBtf btf;
  for (const program::FunctionInfo& function : source.functions) {
    out.functions.push_back({.insn_off = function.slot, .type_id = btf.add_function(function, source.type)});
  }
  return {.btf = Fd(btf.load()), .functions = std::move(out.functions)};
}

std::uint32_t flags_of(const Case& given) {
  std::uint32_t flags = 0;
  if (given.setting.type == ProgType::syscall) flags |= BPF_F_SLEEPABLE;  // Linux insists
  if (given.setting.options.strict_alignment) flags |= BPF_F_STRICT_ALIGNMENT;
  if (given.setting.options.test_state_freq) flags |= BPF_F_TEST_STATE_FREQ;
  return flags;
}

int load(bpf_attr& attr) {
  const long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  if (fd < 0) return errno;
  close(static_cast<int>(fd));
  return 0;
}

// The last line of the log that begins with a slot and an opcode: "12: (85) call ...".
std::optional<std::uint32_t> slot_in(std::string_view log) {
  std::optional<std::uint32_t> out;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    std::uint32_t slot = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), slot);
    if (error == std::errc{} && std::string_view(end, line.data() + line.size()).starts_with(": (")) out = slot;
    log.remove_prefix(std::min(log.size(), line.size() + 1));
  }
  return out;
}

// The kernel's complaint: the log's last line before the statistics.
std::string complaint_in(std::string_view log) {
  std::string out;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    if (line.starts_with("processed ")) break;
    if (!line.empty()) out = line;
    log.remove_prefix(std::min(log.size(), line.size() + 1));
  }
  return out;
}

KernelAnswer explain(bpf_attr& attr, int error) {
  std::string log(kLogBytes, '\0');
  attr.log_level = 1;
  attr.log_buf = reinterpret_cast<std::uintptr_t>(log.data());
  attr.log_size = static_cast<std::uint32_t>(log.size());
  static_cast<void>(load(attr));
  log.resize(std::strlen(log.c_str()));
  return {.verdict = {.accepts = false, .error = error, .slot = slot_in(log), .message = complaint_in(log)},
          .log = std::move(log)};
}

// The function that stands for an iterator in the kernel's BTF; 0 if it has none.
std::uint32_t function_of(const isa::IteratorRow& iterator) {
  static const std::unique_ptr<btf, decltype(&btf__free)> kTypes(btf__load_vmlinux_btf(), btf__free);
  const std::string name = fmt::format("bpf_iter_{}", iterator.name);
  const int id = kTypes == nullptr ? -1 : btf__find_by_name_kind(kTypes.get(), name.c_str(), BTF_KIND_FUNC);
  return id < 0 ? 0 : static_cast<std::uint32_t>(id);
}

// Why the running kernel takes no iterator, or empty. Some allow no tracing programs, whoever asks.
std::string no_iterators() {
  static const std::string kReason = [] {
    Case minimal;
    minimal.text = "r0 = 0\nexit\n";
    minimal.setting.type = ProgType::tracing;
    minimal.setting.attach_type = BPF_TRACE_ITER;
    minimal.setting.iterator = &isa::iterators().front();
    const KernelAnswer answer = ask_kernel(minimal, *assemble(minimal));
    return answer.verdict.accepts ? "" : fmt::format("no iterators here: {}", std::strerror(answer.verdict.error));
  }();
  return kReason;
}

}  // namespace

std::string no_kernel() {
  Case minimal;
  minimal.text = "r0 = 0\nexit\n";
  minimal.setting.type = ProgType::socket_filter;
  const KernelAnswer answer = ask_kernel(minimal, *assemble(minimal));
  if (answer.verdict.accepts) return "";
  return fmt::format("bpf(2) is not permitted here: {}", std::strerror(answer.verdict.error));
}

std::string not_for_kernels(const Case& given) {
  const ProgType type = given.setting.type;
  if (type == ProgType::raw_memory) return "raw_memory is a type of ours";
  if (given.setting.iterator != nullptr) return no_iterators();
  if (type == ProgType::tracing || type == ProgType::lsm || type == ProgType::struct_ops || type == ProgType::ext) {
    return "the kernel verifies this type against a function of its own only";
  }
  return given.setting.options.strict_loops ? "strict_loops is a rule of ours" : "";
}

KernelAnswer ask_kernel(const Case& given, const Assembled& assembled, bool explains) {
  const Linked linked = link(assembled.source);
  if (!linked.trouble.empty()) return {.trouble = linked.trouble};
  const Signatures signatures = describe(assembled.source);
  bpf_attr attr{};
  attr.prog_type = static_cast<std::uint32_t>(given.setting.type);
  attr.expected_attach_type = given.setting.attach_type;
  if (given.setting.iterator != nullptr) attr.attach_btf_id = function_of(*given.setting.iterator);
  attr.insns = reinterpret_cast<std::uintptr_t>(linked.slots.data());
  attr.insn_cnt = static_cast<std::uint32_t>(linked.slots.size());
  attr.license = reinterpret_cast<std::uintptr_t>(given.setting.gpl ? "GPL" : "none");
  attr.prog_flags = flags_of(given);
  if (!signatures.functions.empty()) {
    if (signatures.btf.get() < 0) return {.trouble = fmt::format("BTF: {}", std::strerror(-signatures.btf.get()))};
    attr.prog_btf_fd = static_cast<std::uint32_t>(signatures.btf.get());
    attr.func_info = reinterpret_cast<std::uintptr_t>(signatures.functions.data());
    attr.func_info_cnt = static_cast<std::uint32_t>(signatures.functions.size());
    attr.func_info_rec_size = sizeof(bpf_func_info);
  }
  const int error = load(attr);
  if (error == 0) return {};
  return explains ? explain(attr, error) : KernelAnswer{.verdict = {.accepts = false, .error = error}};
}

}  // namespace forager::verifier::golden

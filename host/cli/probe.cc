// SPDX-License-Identifier: Apache-2.0
#include "cli/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "isa/tables.h"
#include "jit-backends/backends.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// Linux's own types; forager's raw memory has a number outside of Linux's range.
bool is_linux(const isa::ProgTypeRow& row) {
  constexpr std::uint32_t kOurs = 1000;
  return static_cast<std::uint32_t>(row.type) != 0 && static_cast<std::uint32_t>(row.type) < kOurs;
}

Json program_types() {
  Json out = Json::object();
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    if (!is_linux(row)) continue;
    const auto type = static_cast<bpf_prog_type>(row.type);
    out[fmt::format("have_{}_prog_type", row.name)] = ::libbpf_probe_bpf_prog_type(type, nullptr) > 0;
  }
  return out;
}

Json map_types() {
  Json out = Json::object();
  for (const isa::MapRow& row : isa::maps()) {
    const auto type = static_cast<bpf_map_type>(row.type);
    out[fmt::format("have_{}_map_type", row.name)] = ::libbpf_probe_bpf_map_type(type, nullptr) > 0;
  }
  return out;
}

// Probing these writes to the kernel's log, and so bpftool does it only when asked ("full").
bool is_loud(std::string_view helper) {
  constexpr std::string_view kLoud[] = {"trace_printk", "trace_vprintk", "probe_write_user"};
  return std::ranges::find(kLoud, helper) != std::end(kLoud);
}

Json helpers_of(const isa::ProgTypeRow& row, bool all, const exec::Capabilities& interp) {
  Json out = Json::array();
  for (const isa::HelperRow& helper : isa::helpers()) {
    const bool runs = helper.id < interp.helpers.size() && interp.helpers.test(helper.id);
    if (!runs || (helper.program_types & isa::set_of(row.type)) == 0 || (!all && is_loud(helper.name))) continue;
    out.push_back(fmt::format("bpf_{}", helper.name));
  }
  return out;
}

const exec::Capabilities& interpreter() {
  const auto rows = jit::backends();
  const auto at = std::ranges::find(rows, std::string_view("interp"), &jit::BackendRow::name);
  return (at == rows.end() ? rows.front() : *at).get().capabilities();
}

Json helpers(const Json& types, bool all) {
  const exec::Capabilities& interp = interpreter();
  Json out = Json::object();
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    if (!is_linux(row)) continue;
    const bool there = types[fmt::format("have_{}_prog_type", row.name)].get<bool>();
    out[fmt::format("{}_available_helpers", row.name)] = there ? helpers_of(row, all, interp) : Json::array();
  }
  return out;
}

// ---- programs that show what the verifier takes -----------------------------------------------------------------

constexpr bpf_insn insn(std::uint8_t code, std::uint8_t dst, std::int16_t off, std::int32_t imm) {
  bpf_insn out{};
  out.code = code;
  out.dst_reg = dst & 0xf;
  out.off = off;
  out.imm = imm;
  return out;
}
constexpr bpf_insn kExit = insn(BPF_JMP | BPF_EXIT, 0, 0, 0);
constexpr bpf_insn mov(std::uint8_t dst, std::int32_t imm) { return insn(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, imm); }

bool loads(const std::vector<bpf_insn>& program) {
  const int fd = ::bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, nullptr, "GPL", program.data(), program.size(), nullptr);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

std::vector<bpf_insn> large_program() {
  std::vector<bpf_insn> out(BPF_MAXINSNS + 1, mov(0, 1));
  out.back() = kExit;
  return out;
}

Json misc() {
  const std::vector<bpf_insn> loop = {mov(0, 10), insn(BPF_ALU64 | BPF_SUB | BPF_K, 0, 0, 1),
                                      insn(BPF_JMP | BPF_JNE | BPF_K, 0, -2, 0), kExit};
  const std::vector<bpf_insn> second = {mov(0, 0), insn(BPF_JMP | BPF_JLT | BPF_K, 0, 1, 0), mov(0, 1), kExit};
  const std::vector<bpf_insn> third = {mov(0, 0), insn(BPF_JMP32 | BPF_JLT | BPF_K, 0, 1, 0), mov(0, 1), kExit};
  return {{"have_large_insn_limit", loads(large_program())},
          {"have_bounded_loops", loads(loop)},
          {"have_v2_isa_extension", loads(second)},
          {"have_v3_isa_extension", loads(third)}};
}

// The kernel's switches, which do not rule this runtime: nobody is kept out, and nothing is compiled in a kernel.
Json system_config() {
  return {{"unprivileged_bpf_disabled", 0},
          {"bpf_jit_enable", 0},
          {"bpf_jit_harden", nullptr},
          {"bpf_jit_kallsyms", nullptr},
          {"bpf_jit_limit", nullptr}};
}

// "have_xdp_prog_type" -> "xdp".
std::string middle(std::string_view member, std::string_view before, std::string_view after) {
  member.remove_prefix(before.size());
  member.remove_suffix(after.size());
  return std::string(member);
}

std::string types_text(const Json& section, const char* what, const char* after) {
  std::string out = fmt::format("Scanning eBPF {} types...\n", *what == 'p' ? "program" : "map");
  for (const auto& [member, have] : section.items())
    out += fmt::format("eBPF {} {} is {}available\n", what, middle(member, "have_", after),
                       have.get<bool>() ? "" : "NOT ");
  return out + "\n";
}

std::string helpers_text(const Json& section) {
  std::string out = "Scanning eBPF helper functions...\n";
  for (const auto& [member, names] : section.items()) {
    out += fmt::format("eBPF helpers supported for program type {}:", middle(member, "", "_available_helpers"));
    for (const Json& name : names) out += fmt::format("\n\t- {}", name.get<std::string>());
    out += names.empty() ? "\n\tNone of the helpers is available\n" : "\n";
  }
  return out + "\n";
}

std::string misc_text(const Json& section) {
  constexpr std::pair<const char*, const char*> kRows[] = {{"have_large_insn_limit", "Large program size limit"},
                                                           {"have_bounded_loops", "Bounded loop support"},
                                                           {"have_v2_isa_extension", "ISA extension v2"},
                                                           {"have_v3_isa_extension", "ISA extension v3"}};
  std::string out = "Scanning miscellaneous eBPF features...\n";
  for (const auto& [member, text] : kRows)
    out += fmt::format("{} is {}available\n", text, section[member].get<bool>() ? "" : "NOT ");
  return out;
}

}  // namespace

Json probe_features(bool all_helpers) {
  Json out = {{"system_config", system_config()}, {"syscall_config", {{"have_bpf_syscall", true}}}};
  out["program_types"] = program_types();
  out["map_types"] = map_types();
  out["helpers"] = helpers(out["program_types"], all_helpers);
  out["misc"] = misc();
  return out;
}

std::string features_text(const Json& features) {
  return "Scanning system configuration...\n"
         "bpf() is answered by this process: anybody may call it, and no kernel is asked\n\n"
         "Scanning system call availability...\nbpf() syscall is available\n\n" +
         types_text(features["program_types"], "program_type", "_prog_type") +
         types_text(features["map_types"], "map_type", "_map_type") + helpers_text(features["helpers"]) +
         misc_text(features["misc"]);
}

}  // namespace forager::cli

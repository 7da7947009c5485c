// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/subject.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "jit-backends/linux/kernel.h"
#include "program/map_reference.h"

namespace forager::twins {
namespace {

using jit::linux_kernel::Fd;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Map indices become descriptors.
void name_descriptors(std::vector<isa::Slot>& slots, std::span<const Fd> maps) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].opcode != program::kWideOpcode) continue;
    if (program::names_by_index(slots[i])) {
      slots[i].src = program::names_value(slots[i]) ? program::kSrcMapValue : program::kSrcMapFd;
      slots[i].imm = maps[static_cast<std::size_t>(slots[i].imm)].get();
    }
    ++i;
  }
}

LoadCall call_of(const program::Source& source, std::span<const Fd> maps) {
  std::vector<isa::Slot> slots = source.slots;
  name_descriptors(slots, maps);
  bpf_attr attr = jit::linux_kernel::empty_attr();
  attr.prog_type = static_cast<__u32>(source.type);
  attr.expected_attach_type = source.attach_type;
  attr.insns = jit::linux_kernel::pointer_field(slots.data());
  attr.insn_cnt = static_cast<__u32>(slots.size());
  attr.license = jit::linux_kernel::pointer_field(source.gpl_compatible ? "GPL" : "proprietary");
  std::strncpy(attr.prog_name, source.name.c_str(), sizeof attr.prog_name - 1);
  return LoadCall(attr, sizeof attr);
}

}  // namespace

Verdict ask_ours(program::Source source, const verifier::Options& options, verifier::Report* report) {
  verifier::Report own;
  verifier::Report& said = report == nullptr ? own : *report;
  const auto start = std::chrono::steady_clock::now();
  auto decoded = program::Program::decode(std::move(source));
  Result<std::shared_ptr<const verifier::VerifiedProgram>> verified =
      decoded ? verifier::verify(std::move(*decoded), options, &said) : std::unexpected(decoded.error());
  Verdict verdict;
  verdict.milliseconds = milliseconds_since(start);
  if (!verified) {
    verdict.error = verified.error().error != 0 ? verified.error().error : EINVAL;
    verdict.message = verified.error().text();
  }
  verdict.log = std::move(said.log);
  verdict.processed = said.processed_instructions;
  verdict.total_states = said.total_states;
  verdict.peak_states = said.peak_states;
  return verdict;
}

Result<Subject> subject_of(program::Source source) {
  auto maps = std::make_shared<std::vector<Fd>>();
  if (no_kernel().empty()) {
    for (const program::MapSpec& spec : source.maps) {
      auto map = jit::linux_kernel::create_map(spec);
      if (!map) return std::unexpected(std::move(map.error()));
      maps->push_back(std::move(*map));
    }
  }
  Subject subject;
  subject.object = source.name;
  subject.name = source.name;
  if (no_kernel().empty()) subject.kernel = call_of(source, *maps);
  subject.source = std::move(source);
  subject.maps = std::move(maps);
  return subject;
}

}  // namespace forager::twins

// SPDX-License-Identifier: Apache-2.0
#include "cli/jited.h"

#include <fmt/format.h>

#include <cerrno>

#include "jit-backends/backends.h"
#include "jit-backends/common/listing.h"

namespace forager::cli {

using Json = nlohmann::ordered_json;

Result<std::shared_ptr<const jit::JitImage>> jited(const std::shared_ptr<const verifier::VerifiedProgram>& program) {
  for (const jit::BackendRow& row : jit::backends()) {
    if (!row.get().capabilities().available) continue;
    auto image = row.get().compile(program, {});
    if (!image) continue;
    if (auto made = std::dynamic_pointer_cast<const jit::JitImage>(*image)) return made;
  }
  return fail(
      ErrorKind::unsupported, EOPNOTSUPP,
      fmt::format("program {} is not compiled to machine code here: no JIT takes it (`forager explain` says why)",
                  program->program().name()));
}

Json jited_json(const jit::JitImage& image, bool opcodes) {
  Json insns = Json::array();
  for (const jit::MachineLine& line : jit::disassemble(image)) {
    Json insn = Json::object();
    if (line.instruction != program::kNone) {
      const std::string source = image.program().program().source_line(line.instruction);
      if (!source.empty()) insn["src"] = source;
    }
    insn["pc"] = fmt::format("{:#x}", line.offset);
    insn["operation"] = line.operation;
    Json operands = Json::array();
    if (!line.operands.empty()) operands.push_back(line.operands);
    insn["operands"] = std::move(operands);
    if (opcodes) {
      insn["opcodes"] = Json::array();
      for (const std::byte byte : line.bytes)
        insn["opcodes"].push_back(fmt::format("{:#04x}", static_cast<unsigned>(byte)));
    }
    insns.push_back(std::move(insn));
  }
  return Json::array({{{"name", image.program().program().name()}, {"insns", std::move(insns)}}});
}

}  // namespace forager::cli

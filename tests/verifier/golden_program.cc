// SPDX-License-Identifier: Apache-2.0
#include "golden_program.h"

#include <algorithm>
#include <cctype>
#include <cerrno>

#include <fmt/format.h>

#include "golden_words.h"
#include "program/text.h"

namespace forager::verifier::golden {
namespace {

// "name:" at the beginning of a line.
std::vector<std::string> labels_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const std::string word = Words(line).next();
    if (word.size() > 1 && word.ends_with(':') && std::isdigit(static_cast<unsigned char>(word[0])) == 0) {
      out.push_back(word.substr(0, word.size() - 1));
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return out;
}

// Where labels stand: the assembler tells it by the distance of a long jump to each, put behind the program.
Result<Assembled> assemble_labelled(const Case& given, const std::vector<std::string>& map_names) {
  const std::vector<std::string> labels = labels_of(given.text);
  std::string text = given.text;
  for (const std::string& label : labels) text += fmt::format("gotol {}\n", label);
  auto slots = program::assemble(text, map_names);
  if (!slots) return std::unexpected(std::move(slots.error()));
  Assembled out;
  const std::size_t size = slots->size() - labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto at = static_cast<std::int64_t>(size + i);
    out.labels[labels[i]] = static_cast<std::uint32_t>(at + 1 + (*slots)[size + i].imm);
  }
  slots->resize(size);
  out.source.slots = std::move(*slots);
  return out;
}

// The kernel wants every function described or none, so the first one comes by itself.
Result<> add_functions(const std::vector<FunctionLine>& lines, Assembled& out) {
  if (lines.empty()) return {};
  program::FunctionInfo entry{.slot = 0, .name = "entry", .btf_type = 1};
  entry.linkage = program::FunctionInfo::Linkage::global;
  entry.parameters = {{.kind = program::Parameter::Kind::context, .name = "ctx"}};
  out.source.functions.push_back(std::move(entry));
  for (const FunctionLine& line : lines) {
    const auto found = out.labels.find(line.label);
    if (found == out.labels.end()) return refuse(fmt::format("no label '{}' for the function", line.label));
    out.source.functions.push_back(line.info);
    out.source.functions.back().slot = found->second;
  }
  std::ranges::sort(out.source.functions, {}, &program::FunctionInfo::slot);
  return {};
}

// Of struct bpf_map in Linux 6.18, some.
constexpr isa::KernelMember kMapMembers[] = {
    {.of = isa::KernelStruct::bpf_map, .name = "max_entries", .offset = 76, .size = 4},
    {.of = isa::KernelStruct::bpf_map, .name = "map_extra", .offset = 80, .size = 8},
    {.of = isa::KernelStruct::bpf_map, .name = "id", .offset = 92, .size = 4},
};

}  // namespace

Result<Assembled> assemble(const Case& given) {
  std::vector<std::string> names;
  names.reserve(given.setting.maps.size());
  for (const program::MapSpec& map : given.setting.maps) names.push_back(map.name);
  auto out = assemble_labelled(given, names);
  if (!out) return out;
  out->source.name = "entry";
  out->source.type = given.setting.type;
  out->source.attach_type = given.setting.attach_type;
  out->source.iterator = given.setting.iterator;
  if (given.setting.iterator != nullptr) out->source.members = {std::begin(kMapMembers), std::end(kMapMembers)};
  out->source.gpl_compatible = given.setting.gpl;
  out->source.maps = given.setting.maps;
  if (auto done = add_functions(given.setting.functions, *out); !done) return std::unexpected(std::move(done.error()));
  return out;
}

Result<std::shared_ptr<const VerifiedProgram>> verify_case(const Assembled& given, const Options& options,
                                                           Report* report) {
  auto decoded = program::Program::decode(given.source);
  if (!decoded) return std::unexpected(std::move(decoded.error()));
  return verify(std::move(*decoded), options, report);
}

}  // namespace forager::verifier::golden

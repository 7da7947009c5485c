// SPDX-License-Identifier: Apache-2.0
#include "program/tag.h"

#include <algorithm>

#include "program/map_reference.h"
#include "program/program.h"
#include "program/sha1.h"

namespace forager::program {

Tag tag_of(std::span<const isa::Slot> slots) {
  std::vector<isa::Slot> code(slots.begin(), slots.end());
  for (std::size_t i = 0; i + 1 < code.size(); ++i) {
    if (!is_map_reference(code[i])) continue;
    code[i].src = names_value(code[i]) ? kSrcMapValue : kSrcMapFd;
    code[i].imm = 0;
    code[++i].imm = 0;
  }
  const auto digest = sha1(std::as_bytes(std::span(code)));
  Tag tag{};
  std::copy_n(digest.begin(), tag.size(), tag.begin());
  return tag;
}

std::vector<Tag> function_tags(const Program& program) {
  const auto& instructions = program.instructions();
  std::vector<Tag> tags;
  for (const Subprogram& each : program.subprograms()) {
    const std::size_t begin = instructions[each.begin].slot;
    const std::size_t end = each.end < instructions.size() ? instructions[each.end].slot : program.slots().size();
    tags.push_back(tag_of(program.slots().subspan(begin, end - begin)));
  }
  return tags;
}

}  // namespace forager::program

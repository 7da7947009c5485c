// SPDX-License-Identifier: Apache-2.0
#include "cli/kept.h"

#include <fmt/format.h>

#include <cerrno>

namespace forager::cli {
namespace {

// The one element whose id or name the selector gives; `part` reaches the named thing inside an element.
template <class T, class Part>
Result<T> one_of(const std::vector<T>& all, const Selector& selector, const char* noun, Part part) {
  std::vector<const T*> found;
  for (const T& element : all) {
    const auto& thing = part(element);
    if (selector.id != 0 ? thing.id == selector.id : thing.name == selector.name) found.push_back(&element);
  }
  if (found.size() == 1) return *found.front();
  const std::string asked =
      selector.id != 0 ? fmt::format("id {}", selector.id) : fmt::format("name '{}'", selector.name);
  if (found.empty()) return fail(ErrorKind::input, ENOENT, fmt::format("no {} of {} is loaded", noun, asked));
  std::string ids;
  for (const T* element : found) ids += fmt::format("{}{}", ids.empty() ? "" : ", ", part(*element).id);
  return fail(ErrorKind::input, EINVAL, fmt::format("several {}s of {}; choose by id: {}", noun, asked, ids));
}

}  // namespace

Result<Selector> read_selector(Words& words) {
  Selector out;
  if (words.take("id")) {
    auto id = words.number("the id");
    if (!id) return std::unexpected(id.error());
    if (*id == 0 || *id > UINT32_MAX) return usage_error(fmt::format("{} is no id", *id));
    out.id = static_cast<std::uint32_t>(*id);
    return out;
  }
  if (!words.take("name")) return usage_error("'id N' or 'name NAME' is missing");
  auto name = words.next("the name");
  if (!name) return std::unexpected(name.error());
  out.name = *name;
  return out;
}

std::vector<KeptProgram> programs_of(const std::vector<Saved>& objects) {
  std::vector<KeptProgram> out;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    for (const SavedProgram& program : objects[i].programs) out.push_back({i, program});
  }
  return out;
}

std::vector<KeptMap> maps_of(const std::vector<Saved>& objects) {
  std::vector<KeptMap> out;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    for (const SavedMap& map : objects[i].maps) out.push_back({i, map});
  }
  return out;
}

Result<KeptProgram> one_program(const std::vector<Saved>& objects, const Selector& selector) {
  return one_of(programs_of(objects), selector, "program", [](const KeptProgram& p) -> auto& { return p.program; });
}

Result<KeptMap> one_map(const std::vector<Saved>& objects, const Selector& selector) {
  return one_of(maps_of(objects), selector, "map", [](const KeptMap& m) -> auto& { return m.map; });
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "golden_words.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

namespace forager::verifier::golden {
namespace {

using program::FunctionInfo;
using program::MapSpec;
using program::Parameter;
using program::ValueField;

constexpr std::string_view kBlanks = " \t";

constexpr std::pair<std::string_view, std::uint32_t> kMapFlags[] = {
    {"no_prealloc", BPF_F_NO_PREALLOC}, {"rdonly", BPF_F_RDONLY},
    {"wronly", BPF_F_WRONLY},           {"rdonly_prog", BPF_F_RDONLY_PROG},
    {"wronly_prog", BPF_F_WRONLY_PROG}, {"mmapable", BPF_F_MMAPABLE},
    {"inner_map", BPF_F_INNER_MAP},     {"clone", BPF_F_CLONE},
};

constexpr std::pair<std::string_view, bool Options::*> kOptions[] = {
    {"strict_alignment", &Options::strict_alignment},
    {"strict_loops", &Options::strict_loops},
    {"allow_uninitialised_stack", &Options::allow_uninitialised_stack},
    {"test_state_freq", &Options::test_state_freq},
};

struct FieldWord {
  std::string_view name;
  ValueField::Kind kind;
  std::uint32_t size;
};
// Opaque fields are bpf_wq to the kernel, of 16 bytes: the runtime's own, and no helper takes them.
constexpr FieldWord kFields[] = {{"spin_lock", ValueField::Kind::spin_lock, 4},
                                 {"timer", ValueField::Kind::timer, 16},
                                 {"opaque", ValueField::Kind::opaque, 16}};

Result<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return refuse(fmt::format("'{}' is no number", text));
  return value;
}

Result<> read_number(std::string_view text, std::uint32_t& into) {
  const auto number = number_of(text);
  if (!number) return std::unexpected(number.error());
  into = *number;
  return {};
}

Result<> read_type(Words& words, Setting& setting) {
  const std::string name = words.next();
  const isa::ProgTypeRow* type = isa::find_prog_type(name);
  if (type == nullptr) return refuse(fmt::format("no program type is called '{}'", name));
  setting.type = type->type;
  if (words.next() != "at") return {};
  const std::string place = words.next();
  const isa::AttachRow* attach = isa::find_attach(place);
  if (attach == nullptr) return refuse(fmt::format("no attach type is called '{}'", place));
  setting.attach_type = static_cast<std::uint32_t>(attach->type);
  return {};
}

Result<> read_option(const std::string& name, Options& options) {
  for (const auto& [word, member] : kOptions) {
    if (word != name) continue;
    options.*member = true;
    return {};
  }
  return refuse(fmt::format("no option is called '{}'", name));
}

Result<> read_flags(std::string_view names, std::uint32_t& flags) {
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    const auto* row = std::ranges::find(kMapFlags, name, &std::pair<std::string_view, std::uint32_t>::first);
    if (row == std::end(kMapFlags)) return refuse(fmt::format("no map flag is called '{}'", name));
    flags |= row->second;
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  return {};
}

Result<> read_frozen(std::string_view hex, MapSpec& map) {
  auto bytes = std::make_shared<std::vector<std::byte>>();
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    unsigned byte = 0;
    const std::string_view pair = hex.substr(0, 2);
    const auto [end, error] = std::from_chars(pair.data(), pair.data() + pair.size(), byte, 16);
    if (error != std::errc{} || end != pair.data() + pair.size()) return refuse("frozen values are hexadecimal bytes");
    bytes->push_back(static_cast<std::byte>(byte));
  }
  if (!hex.empty() || bytes->size() != map.value_size) {
    return refuse(fmt::format("the frozen value has {} bytes, after value={}", bytes->size(), map.value_size));
  }
  map.flags |= BPF_F_RDONLY_PROG;
  map.frozen = std::move(bytes);
  return {};
}

Result<> read_inner(std::string_view name, const std::vector<MapSpec>& maps, MapSpec& map) {
  const auto found = std::ranges::find(maps, name, &MapSpec::name);
  if (found == maps.end()) return refuse(fmt::format("no map is called '{}'", name));
  map.inner = std::make_shared<const MapSpec>(*found);
  return {};
}

Result<> read_field(std::string_view key, std::string_view value, MapSpec& map) {
  const auto* field = std::ranges::find(kFields, key, &FieldWord::name);
  if (field == std::end(kFields)) return refuse(fmt::format("a map has no '{}'", key));
  const auto offset = number_of(value);
  if (!offset) return std::unexpected(offset.error());
  map.fields.push_back({.kind = field->kind, .offset = *offset, .size = field->size});
  return {};
}

Result<> read_map_word(std::string_view word, const Setting& setting, MapSpec& map) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return refuse(fmt::format("'{}' is no KEY=VALUE", word));
  const std::string_view key = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (key == "key") return read_number(value, map.key_size);
  if (key == "value") return read_number(value, map.value_size);
  if (key == "entries") return read_number(value, map.max_entries);
  if (key == "flags") return read_flags(value, map.flags);
  if (key == "frozen") return read_frozen(value, map);
  if (key == "inner") return read_inner(value, setting.maps, map);
  return read_field(key, value, map);
}

Result<> read_map(Words& words, Setting& setting) {
  MapSpec map;
  map.name = words.next();
  const std::string type = words.next();
  const isa::MapRow* row = isa::find_map(type);
  if (row == nullptr) return refuse(fmt::format("no map type is called '{}'", type));
  map.type = row->type;
  for (std::string word = words.next(); !word.empty(); word = words.next()) {
    if (auto done = read_map_word(word, setting, map); !done) return done;
  }
  setting.maps.push_back(std::move(map));
  return {};
}

Result<Parameter> parameter_of(std::string_view word) {
  Parameter out;
  if (word == "int") return out;
  if (word == "ctx" || word == "other") {
    out.kind = word == "ctx" ? Parameter::Kind::context : Parameter::Kind::other;
    return out;
  }
  out.kind = Parameter::Kind::memory;
  out.nullable = word.starts_with("nullable=");
  if (!out.nullable && !word.starts_with("mem=")) return refuse(fmt::format("no parameter is '{}'", word));
  if (auto done = read_number(word.substr(word.find('=') + 1), out.size); !done) return std::unexpected(done.error());
  return out;
}

Result<> read_function(Words& words, Setting& setting) {
  FunctionLine line{.label = words.next()};
  const std::string linkage = words.next();
  const std::string returns = words.next();
  line.info.name = line.label;
  line.info.btf_type = 1;  // known to BTF; which number does not count
  line.info.linkage = linkage == "global" ? FunctionInfo::Linkage::global : FunctionInfo::Linkage::local;
  line.info.returns = returns == "int"    ? FunctionInfo::Returns::scalar
                      : returns == "void" ? FunctionInfo::Returns::nothing
                                          : FunctionInfo::Returns::other;
  for (std::string word = words.next(); !word.empty(); word = words.next()) {
    auto parameter = parameter_of(word);
    if (!parameter) return std::unexpected(parameter.error());
    parameter->name = fmt::format("a{}", line.info.parameters.size() + 1);
    line.info.parameters.push_back(std::move(*parameter));
  }
  setting.functions.push_back(std::move(line));
  return {};
}

Result<> read_iterator(const std::string& name, Setting& setting) {
  setting.iterator = isa::find_iterator("bpf_iter_" + name);
  if (setting.iterator == nullptr) return refuse(fmt::format("'{}' is no iterator", name));
  setting.type = isa::ProgType::tracing;
  setting.attach_type = static_cast<std::uint32_t>(isa::AttachType::trace_iter);
  return {};
}

Result<bool> known(Result<> done) {
  if (!done) return std::unexpected(std::move(done.error()));
  return true;
}

}  // namespace

std::unexpected<Diagnostic> refuse(std::string message) { return fail(ErrorKind::input, EINVAL, std::move(message)); }

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  Words words(line);
  for (std::string word = words.next(); !word.empty(); word = words.next()) out.push_back(std::move(word));
  return out;
}

std::string Words::next() {
  rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_not_of(kBlanks)));
  const std::string_view word = rest_.substr(0, rest_.find_first_of(kBlanks));
  rest_.remove_prefix(word.size());
  return std::string(word);
}

std::string Words::rest() {
  rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_not_of(kBlanks)));
  return std::string(rest_.substr(0, rest_.find_last_not_of(kBlanks) + 1));
}

Result<bool> read_setting(const std::string& word, Words& words, Setting& setting) {
  if (word == "type") return known(read_type(words, setting));
  if (word == "map") return known(read_map(words, setting));
  if (word == "function") return known(read_function(words, setting));
  if (word == "iterator") return known(read_iterator(words.next(), setting));
  if (word == "option") return known(read_option(words.next(), setting.options));
  if (word != "licence") return false;
  setting.gpl = words.next() != "none";
  return true;
}

Result<Verdict> read_verdict(const std::string& word, Words& words) {
  Verdict out;
  if (word == "accept") return out;
  out.accepts = false;
  const std::string error = words.next();
  out.error = errno_of(error);
  if (word != "reject" || out.error == 0) return refuse(fmt::format("'{} {}' is no verdict", word, error));
  std::string place = words.next();
  if (place == "at") {
    place = words.next();
    const auto slot = number_of(std::string_view(place).substr(0, place.find(':')));
    if (!slot) return std::unexpected(slot.error());
    out.slot = *slot;
  }
  out.message = words.rest();
  return out;
}

}  // namespace forager::verifier::golden

// SPDX-License-Identifier: Apache-2.0
//
// The machine code that each JIT makes of the programs in programs.txt, beside what is kept of it:
//
//   forager_generated ARCH PROGRAMS KEPT [--bless]
//
// Generators are pure functions, so that both architectures are compared on any host. Exit status 1 if something
// differs (the first difference is told), 2 if a program is no program.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "jit-backends/arm64/generate.h"
#include "jit-backends/common/features.h"
#include "jit-backends/common/passes/passes.h"
#include "jit-backends/x86_64/generate.h"
#include "program/text.h"

namespace forager::jit {
namespace {

struct Sample {
  std::string name;
  std::string type = "xdp";
  std::vector<program::MapSpec> maps;
  exec::CompileOptions options;
  Settings settings = {.features = Features::kAll};
  std::string text;
  bool whole = false;  // with what C++ enters by
};

[[noreturn]] void give_up(const std::string& message) {
  fmt::print(stderr, "forager_generated: {}\n", message);
  std::exit(2);
}

program::MapSpec map_of(std::istringstream& words) {
  program::MapSpec map;
  std::string type;
  words >> map.name >> type >> map.key_size >> map.value_size >> map.max_entries;
  const isa::MapRow* row = isa::find_map(type);
  if (!words || row == nullptr) give_up(fmt::format("map {}: NAME TYPE KEY VALUE ENTRIES expected", map.name));
  map.type = row->type;
  return map;
}

// True if the line says something about the program, and is none of its text.
bool read_directive(const std::string& line, Sample& sample) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  if (word == "type") {
    words >> sample.type;
  } else if (word == "map") {
    sample.maps.push_back(map_of(words));
  } else if (line == "without passes") {
    sample.options.passes_off = ~0U;
  } else if (line == "without features") {
    sample.settings.features = 0;
  } else if (line == "whole") {
    sample.whole = true;
  } else if (line == "blind") {
    sample.settings.blind_constants = true;
    sample.settings.blinding = 0x5a5a'a5a5'1234'8765;
  } else {
    return false;
  }
  return true;
}

std::vector<Sample> read_samples(const std::string& path) {
  std::ifstream file(path);
  if (!file) give_up(path + ": cannot be read");
  std::vector<Sample> samples;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("== ")) {
      samples.push_back({.name = line.substr(3)});
    } else if (samples.empty()) {
      give_up(path + ": a line before the first program");
    } else if (!read_directive(line, samples.back())) {
      samples.back().text += line + "\n";
    }
  }
  return samples;
}

template <class T>
T or_give_up(Result<T> result, const Sample& sample) {
  if (!result) give_up(sample.name + ": " + result.error().text());
  return std::move(*result);
}

// With a name for each function, as clang -g gives them.
program::Program program_of(const Sample& sample) {
  program::Source source{.name = sample.name, .gpl_compatible = true};
  const isa::ProgTypeRow* type = isa::find_prog_type(sample.type);
  if (type == nullptr) give_up(sample.name + ": no type " + sample.type);
  source.type = type->type;
  std::vector<std::string> names;
  names.reserve(sample.maps.size());
  for (const program::MapSpec& map : sample.maps) names.push_back(map.name);
  source.maps = sample.maps;
  source.slots = or_give_up(program::assemble(sample.text, names), sample);
  const program::Program bare = or_give_up(program::Program::decode(source), sample);
  for (const program::Subprogram& subprogram : bare.subprograms()) {
    source.functions.push_back({.slot = bare.instructions()[subprogram.begin].slot, .name = "function"});
  }
  return or_give_up(program::Program::decode(std::move(source)), sample);
}

// Programs begin behind the first return, but for what aligns them. What C++ enters by is the same for all.
std::string without_entry(std::string listing, bool whole) {
  if (!whole) listing.erase(0, listing.find('\n', listing.find(" ret ")) + 1);
  return listing;
}

std::string code_of(const Sample& sample, Arch arch) {
  auto verified = or_give_up(verifier::verify(program_of(sample)), sample);
  const Code code = or_give_up(optimised(*verified, sample.options), sample);
  const bool x86 = arch == Arch::x86_64;
  MachineCode made =
      or_give_up(x86 ? x86_64::generate(code, sample.settings) : arm64::generate(code, sample.settings), sample);
  const JitImage image(x86 ? "x86_64" : "arm64", arch, sample.options, std::move(verified), std::move(made));
  return fmt::format("== {}\n{}\n", sample.name, without_entry(image.listing(), sample.whole));
}

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "program NAME, line N: kept ..., made ..."
std::string first_difference(const std::string& kept, const std::string& made) {
  std::istringstream a(kept), b(made);
  std::string program, left, right;
  while (true) {
    const bool more_left = static_cast<bool>(std::getline(a, left));
    const bool more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right) return "";
    if (!more_left) left = "the end";
    if (!more_right) right = "the end";
    if (right.starts_with("== ")) program = right.substr(3);
    if (left != right) return fmt::format("program {}: kept \"{}\", made \"{}\"", program, left, right);
  }
}

int main_of(int count, char** words) {
  if (count < 4) give_up("ARCH PROGRAMS KEPT [--bless]");
  const std::string arch = words[1], kept = words[3];
  if (arch != "x86_64" && arch != "arm64") give_up("no architecture " + arch);
  std::string made;
  for (const Sample& sample : read_samples(words[2])) {
    made += code_of(sample, arch == "arm64" ? Arch::arm64 : Arch::x86_64);
  }
  if (count > 4 && words[4] == std::string("--bless")) {
    std::ofstream(kept) << made;
    return 0;
  }
  const std::string difference = first_difference(read_all(kept), made);
  if (difference.empty()) return 0;
  fmt::print(stderr, "{}: {}\nninja forager_generated_bless rewrites what is kept\n", kept, difference);
  return 1;
}

}  // namespace
}  // namespace forager::jit

int main(int count, char** words) { return forager::jit::main_of(count, words); }

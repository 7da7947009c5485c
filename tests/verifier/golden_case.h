// SPDX-License-Identifier: Apache-2.0
//
// A golden case of the verifier: a program with all that is known about it, and what the verifier must say.
//
// Files hold several cases. Lines that begin with a blank are program text (program/text.h assemble()), "#" begins a
// comment; every other line is a directive. Before the first "case" directives set what all cases of the file have;
// after it they belong to the case.
//
//   type TYPE [at ATTACH_TYPE]       program type (default xdp) and attach type, as forager feature and libbpf name
//   them licence none                     not GPL-compatible (default: GPL) option OPTION strict_alignment,
//   strict_loops, allow_uninitialised_stack map NAME TYPE KEY=VALUE...       key, value, entries, flags=A,B, inner=MAP,
//   frozen=HEX (the value of an array that
//                                    nobody can change), and the fields spin_lock, timer, opaque =OFFSET
//   function LABEL global|static int|void|other PARAMETER...
//                                    BTF signature: ctx, int, mem=BYTES, nullable=BYTES, other
//   iterator NAME                    the program is one; struct bpf_map is that of Linux 6.18
//   prelude NAME                     program text that " use NAME" inserts
//   case NAME
//   accept
//   reject ERRNO [at SLOT: TEXT]     TEXT is part of the message
//   path BRANCH                      all branches that lead to the refusal, a line each, if there is one line
//   hint TEXT                        part of what is advised
//   fact PLACE: ACCESS               PLACE is a label or a slot; golden_facts.h has the words
//   map_use NAME USE
//   kernel accept|reject ERRNO       where the kernel differs; divergences.def says why
//
// Tested by: golden_case_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "verifier/verify.h"

namespace forager::verifier::golden {

struct Verdict {
  bool accepts = true;
  int error = 0;                      // errno, if it rejects
  std::optional<std::uint32_t> slot;  // where, if said
  std::string message;                // part of it
};

struct FunctionLine {
  std::string label;
  program::FunctionInfo info;  // its slot is unknown until the text is assembled
};

struct FactLine {
  std::size_t line = 0;  // in the file, from 1
  std::string place;     // a label or a slot; a map's name for map_use
  std::string text;
  bool of_map = false;
};

struct TextLine {
  std::size_t line = 0;  // in the file, from 1
  std::string text;
};

// What a directive can say of a program.
struct Setting {
  isa::ProgType type = isa::ProgType::xdp;
  std::uint32_t attach_type = 0;
  const isa::IteratorRow* iterator = nullptr;
  bool gpl = true;
  Options options;
  std::vector<program::MapSpec> maps;
  std::vector<FunctionLine> functions;
};

struct Case {
  std::string file;  // without folder and ".txt"
  std::string name;
  std::size_t line = 0;  // of "case"
  Setting setting;
  std::string text;              // the program, preludes inserted
  std::size_t verdict_line = 0;  // 0: missing
  Verdict verdict;
  std::optional<Verdict> kernel;
  std::vector<FactLine> facts;
  std::vector<TextLine> path;
  std::optional<TextLine> hint;
};

struct File {
  std::string path;
  std::vector<std::string> lines;
  std::vector<Case> cases;
};

// Errors: input, with "path:line: what is wrong".
[[nodiscard]] Result<File> read_file(const std::string& path);
[[nodiscard]] Result<File> parse(std::string path, std::string_view content);

// The *.txt files of a folder, sorted.
[[nodiscard]] std::vector<std::string> files_of(const std::string& folder);

// "EACCES" and back; 0 and "" for what is not in the list.
[[nodiscard]] int errno_of(std::string_view name);
[[nodiscard]] std::string errno_name(int error);

}  // namespace forager::verifier::golden

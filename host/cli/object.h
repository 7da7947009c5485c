// SPDX-License-Identifier: Apache-2.0
//
// Object: a BPF ELF opened and loaded by libbpf, whose bpf(2) calls come to our own runtime (host/syscall/wrap.cc).
//
// libbpf explains itself through a print callback and an errno; this file turns both into one Diagnostic that names
// the file and the cause. Warnings of successful loads are kept and may be shown.
//
// Tested by: tests/e2e/cli_test.sh, tests/fuzz/elf_fuzz.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"

struct bpf_map;
struct bpf_object;
struct bpf_program;
struct btf;

namespace forager::cli {

class Object {
 public:
  // Parses and relocates; creates nothing yet. Errors: input.
  [[nodiscard]] static Result<Object> open(const std::string& path);
  // Creates maps and loads every program. Errors: rejected, unsupported, limit (the runtime's diagnostic), input.
  [[nodiscard]] Result<> load();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bpf_object* get() const { return object_.get(); }
  [[nodiscard]] const btf* types() const;
  [[nodiscard]] std::vector<bpf_program*> programs() const;
  [[nodiscard]] std::vector<bpf_map*> maps() const;

  // Why the runtime cannot create some of the maps, one diagnostic a map; needs no load().
  [[nodiscard]] std::vector<Diagnostic> map_faults() const;

  // The program of that name; with an empty name the only one, or the only one in a section of plain type name
  // ("xdp") where others are tail-call targets. Errors: input, listing the names there are.
  [[nodiscard]] Result<bpf_program*> program(std::string_view name) const;
  [[nodiscard]] Result<bpf_map*> map(std::string_view name) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  Object(std::string path, std::unique_ptr<bpf_object, Close> object)
      : path_(std::move(path)), object_(std::move(object)) {}

  std::string path_;
  std::unique_ptr<bpf_object, Close> object_;
};

// From now on libbpf's messages are kept for diagnostics instead of printed; `verbose` also prints them to stderr.
void capture_libbpf_messages(bool verbose);

}  // namespace forager::cli

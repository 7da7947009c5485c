// SPDX-License-Identifier: Apache-2.0
//
// ElfObject: a BPF ELF opened and loaded by libbpf, whose bpf(2) calls come to our own runtime (host/syscall/wrap.cc).
//
// libbpf explains itself through a print callback and an errno; this file turns both into one Diagnostic that names
// the file and the cause. Warnings of successful loads are kept and may be shown.
//
// Tested by: tests/cli/cli_test.sh, tests/fuzz/elf_fuzz.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"

struct bpf_map;
struct bpf_object;
struct bpf_program;
struct btf;

namespace forager::runtime {
struct LoadAttempt;
}

namespace forager::api {

// Sees each program that a load gives to the runtime, refused ones and libbpf's feature probes included.
using LoadWatcher = std::function<void(const runtime::LoadAttempt&)>;

struct OpenOptions {
  // Of programs whose section names no type ("classifier/ingress" does, "from_host" does not); empty: an error.
  std::string program_type;
  bool tried = false;  // opened before by this process, so that no child has to find out whether libbpf survives it
};

class ElfObject {
 public:
  // Parses and relocates; creates nothing yet. Errors: input.
  [[nodiscard]] static Result<ElfObject> open(const std::string& path, const OpenOptions& options = {});
  // Creates maps and loads every program. Errors: rejected, unsupported, limit (the runtime's diagnostic), input.
  [[nodiscard]] Result<> load(const LoadWatcher& watcher = {});

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
  ElfObject(std::string path, std::unique_ptr<bpf_object, Close> object)
      : path_(std::move(path)), object_(std::move(object)) {}
  // The whole name of what the runtime knows by its first 15 characters; empty for what is not of this object.
  [[nodiscard]] std::string_view whole_name(std::string_view cut) const;

  std::string path_;
  std::vector<char> log_;  // what libbpf reads back from bpf(2); it has the address
  std::unique_ptr<bpf_object, Close> object_;
};

}  // namespace forager::api

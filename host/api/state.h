// SPDX-License-Identifier: Apache-2.0
//
// What stands behind the public handles. A Map and a Program keep the whole object of libbpf's alive: a descriptor is a
// user's reference, and a PROG_ARRAY whose last one goes is emptied, under the feet of a program that still runs.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "api/elf_object.h"
#include "forager/forager.h"
#include "runtime/objects.h"

namespace forager {

using ElfReference = std::shared_ptr<const api::ElfObject>;

struct Map::State {
  ElfReference owner;
  int fd = -1;  // the owner's
  std::string name;
  std::shared_ptr<runtime::MapObject> object;
  std::size_t host_value_size = 0;  // of lookup and update: all CPUs' slots
};

struct Program::State {
  ElfReference owner;
  std::string name;
  std::shared_ptr<runtime::ProgramObject> object;
};

struct Object::State {
  // What libbpf leaves out (a section "?xdp", a map without use) has no descriptor, and no handle.
  [[nodiscard]] Result<> collect_maps();
  [[nodiscard]] Result<> collect_programs();

  ElfReference elf;
  std::vector<Map> maps;
  std::vector<Program> programs;
};

}  // namespace forager

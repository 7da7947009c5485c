// SPDX-License-Identifier: Apache-2.0
//
// Any file given as a BPF object: it loads, or there is a one-line error that names it. Never a crash or a leaked
// descriptor.
#include <dirent.h>

#include <cstdlib>

#include "api/elf_object.h"
#include "cli/messages.h"
#include "tests/fuzz/target.h"

namespace {

int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using forager::api::ElfObject;
  forager::cli::show_libbpf_messages(false);
  const forager::fuzz::MemoryFile file(data, size);
  const int before = open_descriptors();
  {
    auto object = ElfObject::open(file.path());
    auto loaded = object ? object->load() : forager::Result<>(std::unexpected(object.error()));
    if (!loaded) {
      const std::string text = loaded.error().text();
      check(!text.empty() && text.find('\n') == std::string::npos);
      check(text.find(file.path()) != std::string::npos);
    }
  }
  check(open_descriptors() == before);
  return 0;
}

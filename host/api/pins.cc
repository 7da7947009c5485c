// SPDX-License-Identifier: Apache-2.0
//
// Pins that outlive the process, from C++ and from C.
#include <cerrno>

#include "api/guarded.h"
#include "forager/bpf.h"
#include "forager/forager.h"
#include "syscall/process.h"

namespace forager {
namespace {

long errno_of(const Diagnostic& why) { return why.error != 0 ? -why.error : -EIO; }

}  // namespace

Result<std::vector<Diagnostic>> keep_pins(const std::string& directory) {
  return api::guarded([&] { return syscall::process().pin_store.open(directory); });
}

Result<> save_pins() {
  return api::guarded([] { return syscall::process().pin_store.save(); });
}

}  // namespace forager

extern "C" {

long forager_keep_pins(const char* directory, void (*left_out)(const char* line, void* context), void* context) {
  if (directory == nullptr) return -EFAULT;
  const auto kept = forager::keep_pins(directory);
  if (!kept) return forager::errno_of(kept.error());
  for (const forager::Diagnostic& why : *kept) {
    if (left_out != nullptr) left_out(why.text().c_str(), context);
  }
  return 0;
}

long forager_save_pins(void) {
  const auto saved = forager::save_pins();
  return saved ? 0 : forager::errno_of(saved.error());
}

}  // extern "C"

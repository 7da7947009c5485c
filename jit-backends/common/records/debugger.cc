// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/debugger.h"

#include "jit-backends/common/records/symbol_file.h"

extern "C" {
// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier): GDB's names
__attribute__((weak, used)) jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};

// Something must stay of it, or calls of it are left out.
__attribute__((weak, used, noinline)) void __jit_debug_register_code() { asm volatile("" ::: "memory"); }
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)
}

namespace forager::jit {
namespace {

enum Action : std::uint32_t { enter = 1, leave = 2 };

void tell(Action action, jit_code_entry& entry) {
  __jit_debug_descriptor.action_flag = action;
  __jit_debug_descriptor.relevant_entry = &entry;
  __jit_debug_register_code();
  __jit_debug_descriptor.action_flag = 0;
}

void link_in(jit_code_entry& entry) {
  entry.next_entry = __jit_debug_descriptor.first_entry;
  if (entry.next_entry != nullptr) entry.next_entry->prev_entry = &entry;
  __jit_debug_descriptor.first_entry = &entry;
  tell(Action::enter, entry);
}

void link_out(jit_code_entry& entry) {
  (entry.prev_entry != nullptr ? entry.prev_entry->next_entry : __jit_debug_descriptor.first_entry) = entry.next_entry;
  if (entry.next_entry != nullptr) entry.next_entry->prev_entry = entry.prev_entry;
  tell(Action::leave, entry);
}

}  // namespace

Result<std::unique_ptr<CodeListener>> Debugger::make(const std::string&) {
  return std::unique_ptr<CodeListener>(new Debugger);
}

Debugger::~Debugger() {
  for (auto& [begin, shown] : shown_) link_out(shown.entry);
}

Result<> Debugger::added(const PlacedCode& code) {
  Shown& shown = shown_[code.bytes.data()];
  shown.file = symbol_file(*code.image, reinterpret_cast<std::uint64_t>(code.bytes.data()));
  shown.entry = {.next_entry = nullptr,
                 .prev_entry = nullptr,
                 .symfile_addr = reinterpret_cast<const char*>(shown.file.data()),
                 .symfile_size = shown.file.size()};
  link_in(shown.entry);
  return {};
}

void Debugger::removed(const PlacedCode& code) noexcept {
  const auto found = shown_.find(code.bytes.data());
  if (found == shown_.end()) return;
  link_out(found->second.entry);
  shown_.erase(found);
}

}  // namespace forager::jit

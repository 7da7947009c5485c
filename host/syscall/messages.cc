// SPDX-License-Identifier: Apache-2.0
#include "syscall/messages.h"

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace forager::syscall {
namespace {

constexpr std::string_view kPrefix = "libbpf: ";
constexpr std::size_t kLongestLine = 4096;

struct Hook {
  std::mutex mutex;
  unsigned captures = 0;                   // on all threads
  std::atomic<libbpf_print_fn_t> users{};  // the callback that ours stands in for
  std::atomic<libbpf_print_fn_t> observer{};
};

constinit Hook first_hook;
Hook* current_hook = &first_hook;  // another one only in a child of fork(), which has one thread

Hook& hook() { return *current_hook; }

thread_local MessageCapture* t_innermost = nullptr;

int pass_on(libbpf_print_fn_t to, libbpf_print_level level, const char* format, va_list arguments) {
  if (to == nullptr) return 0;
  va_list copy;
  va_copy(copy, arguments);
  const int length = to(level, format, copy);
  va_end(copy);
  return length;
}

}  // namespace

int hear(libbpf_print_level level, const char* format, va_list arguments) {
  if (t_innermost == nullptr) return pass_on(hook().users, level, format, arguments);
  pass_on(hook().observer, level, format, arguments);
  if (level > t_innermost->most_) return 0;
  std::array<char, kLongestLine> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
  t_innermost->text_ += line.data();
  return length;
}

MessageCapture::MessageCapture(libbpf_print_level most) : most_(most), outer_(t_innermost) {
  t_innermost = this;
  Hook& shared = hook();
  const std::lock_guard guard(shared.mutex);
  if (shared.captures++ == 0) shared.users = ::libbpf_set_print(hear);
}

MessageCapture::~MessageCapture() {
  t_innermost = outer_;
  Hook& shared = hook();
  const std::lock_guard guard(shared.mutex);
  if (--shared.captures > 0) return;
  // Another thread of the user's may have set a callback meanwhile: that one is then the user's choice.
  const libbpf_print_fn_t found = ::libbpf_set_print(shared.users);
  if (found != hear) ::libbpf_set_print(found);
}

std::string MessageCapture::first() const {
  std::string line = text_.substr(0, text_.find('\n'));
  if (line.starts_with(kPrefix)) line.erase(0, kPrefix.size());
  return line;
}

void observe_messages(libbpf_print_fn_t observer) { hook().observer = observer; }

void forget_captures() {
  current_hook = new Hook;  // the old one's mutex may be locked by a thread that is not here
  t_innermost = nullptr;
  ::libbpf_set_print(nullptr);
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "api/messages.h"

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace forager::api {
namespace {

constexpr std::string_view kPrefix = "libbpf: ";
constexpr std::size_t kLongestLine = 4096;

struct Hook {
  std::mutex mutex;
  unsigned captures = 0;                   // on all threads
  std::atomic<libbpf_print_fn_t> users{};  // the callback that ours stands in for
  std::atomic<libbpf_print_fn_t> observer{};
};

Hook& hook() {
  static Hook only;
  return only;
}

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
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, kLongestLine> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
  t_innermost->text_ += line.data();
  return length;
}

MessageCapture::MessageCapture() : outer_(t_innermost) {
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

}  // namespace forager::api

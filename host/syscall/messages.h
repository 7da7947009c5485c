// SPDX-License-Identifier: Apache-2.0
//
// MessageCapture: what libbpf says during a call of ours becomes part of a log or a Diagnostic instead of going to
// standard error.
//
// libbpf has one print callback per process, and it may be the user's. So ours is there only while some capture lives,
// the user's comes back with the last one, and meanwhile what other threads hear from libbpf still goes to the user's.
// There must be no second mechanism of this kind beside this one: two would restore one another's callbacks.
//
// Tested by: tests/unit/api_messages_test.cc.
#pragma once

#include <bpf/libbpf.h>

#include <string>
#include <string_view>

namespace forager::syscall {

// Keeps what libbpf says on this thread while it lives, up to `most` in detail. Captures nest; the innermost one hears.
class MessageCapture {
 public:
  explicit MessageCapture(libbpf_print_level most = LIBBPF_INFO);
  ~MessageCapture();
  MessageCapture(const MessageCapture&) = delete;
  MessageCapture& operator=(const MessageCapture&) = delete;

  [[nodiscard]] const std::string& text() const { return text_; }
  // The first line, without libbpf's prefix: the cause. What follows are its consequences. Empty if nothing was said.
  [[nodiscard]] std::string first() const;

 private:
  friend int hear(libbpf_print_level level, const char* format, va_list arguments);
  libbpf_print_level most_;
  MessageCapture* outer_;
  std::string text_;
};

// An application that wants to see captured messages as well (the command line's --debug); null stops it.
void observe_messages(libbpf_print_fn_t observer);

// In a child of fork(): lets go of captures and locks of the parent's threads, and of the user's callback.
void forget_captures();

}  // namespace forager::syscall

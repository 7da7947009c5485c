// SPDX-License-Identifier: Apache-2.0
//
// MessageCapture: what libbpf says during a call of ours becomes part of a Diagnostic instead of going to standard
// error.
//
// libbpf has one print callback per process, and it may be the user's. So ours is there only while some capture lives,
// the user's comes back with the last one, and meanwhile what other threads hear from libbpf still goes to the user's.
//
// Tested by: tests/unit/api_messages_test.cc.
#pragma once

#include <bpf/libbpf.h>

#include <string>
#include <string_view>

namespace forager::api {

// Keeps the warnings that libbpf gives on this thread while it lives. Captures nest; the innermost one hears.
class MessageCapture {
 public:
  MessageCapture();
  ~MessageCapture();
  MessageCapture(const MessageCapture&) = delete;
  MessageCapture& operator=(const MessageCapture&) = delete;

  // The first line, without libbpf's prefix: the cause. What follows are its consequences. Empty if nothing was said.
  [[nodiscard]] std::string first() const;

 private:
  friend int hear(libbpf_print_level level, const char* format, va_list arguments);
  MessageCapture* outer_;
  std::string text_;
};

// An application that wants to see captured messages as well (the command line's --debug); null stops it.
void observe_messages(libbpf_print_fn_t observer);

}  // namespace forager::api

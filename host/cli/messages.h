// SPDX-License-Identifier: Apache-2.0
//
// What becomes of libbpf's messages in our own executables: standard error, or nothing. The library
// (syscall/messages.h) never prints, and leaves this choice to the application.
#pragma once

namespace forager::cli {

// From now on libbpf's messages, debugging ones too, go to standard error if `shown`, and nowhere if not.
void show_libbpf_messages(bool shown);

}  // namespace forager::cli

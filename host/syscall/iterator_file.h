// SPDX-License-Identifier: Apache-2.0
//
// IteratorFile: what BPF_ITER_CREATE gives a descriptor of, to be read by read(2).
//
// The descriptor is a memfd as all of ours (ADR 4), and holds nothing: its text is made while it is read, so read(2)
// has to come here (wrap.cc). It is open for writing only, so that a read that does not come here fails with EBADF
// instead of finding an empty file.
//
// Tested by: tests/unit/syscall_iter_test.cc, tests/e2e.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "runtime/iterator.h"
#include "syscall/fd_table.h"

namespace forager::syscall {

class IteratorFile {
 public:
  explicit IteratorFile(std::shared_ptr<runtime::Iterator> iterator) : iterator_(std::move(iterator)) { ++live; }
  ~IteratorFile() { --live; }
  IteratorFile(const IteratorFile&) = delete;
  IteratorFile& operator=(const IteratorFile&) = delete;

  // Whether there is one in this process: while there is none, reads are of no interest.
  [[nodiscard]] static bool any() { return live.load(std::memory_order_relaxed) != 0; }

  // read(2): bytes, or a negative errno.
  [[nodiscard]] long read(UserAddress to, std::size_t size);

 private:
  static inline std::atomic<unsigned> live = 0;
  const std::shared_ptr<runtime::Iterator> iterator_;
};

// read(2) on the descriptor of an iterator; nothing for any other descriptor.
[[nodiscard]] std::optional<long> read_iterator(const FdTable& fds, int fd, UserAddress to, std::size_t size);

}  // namespace forager::syscall

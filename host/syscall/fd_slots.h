// SPDX-License-Identifier: Apache-2.0
//
// FdSlots: one word for each descriptor number, read without a lock. A word is what FdTable remembers of a descriptor;
// 0 is nothing. Writers exclude each other; numbers beyond kMost are never remembered.
//
// Tested by: tests/unit/syscall_fd_table_test.cc, syscall_threads_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace forager::syscall {

class FdSlots {
 public:
  using Word = std::uintptr_t;
  static constexpr unsigned kMost = 1U << 20;  // the kernel's default limit for a process (fs.nr_open)

  FdSlots() = default;
  FdSlots(const FdSlots&) = delete;
  FdSlots& operator=(const FdSlots&) = delete;
  ~FdSlots() {
    for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
  }

  [[nodiscard]] Word get(int fd) const {
    const std::atomic<Word>* slot = find(fd);
    return slot == nullptr ? 0 : slot->load(std::memory_order_seq_cst);
  }
  void set(int fd, Word word) {
    if (static_cast<unsigned>(fd) >= kMost) return;
    std::atomic<Chunk*>& chunk = chunks_[static_cast<unsigned>(fd) / kChunk];
    if (chunk.load(std::memory_order_relaxed) == nullptr) chunk.store(new Chunk{}, std::memory_order_release);
    find(fd)->store(word, std::memory_order_seq_cst);
  }
  void clear(int fd) {
    if (std::atomic<Word>* slot = find(fd)) slot->store(0, std::memory_order_seq_cst);
  }

 private:
  static constexpr unsigned kChunk = 1024;
  using Chunk = std::array<std::atomic<Word>, kChunk>;

  [[nodiscard]] std::atomic<Word>* find(int fd) const {
    const auto number = static_cast<unsigned>(fd);
    if (number >= kMost) return nullptr;
    Chunk* chunk = chunks_[number / kChunk].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[number % kChunk];
  }

  std::array<std::atomic<Chunk*>, kMost / kChunk> chunks_{};
};

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// Visit: one object as an iterator program is shown it (the context of isa/iterators.h), and SeqFile, the text that the
// program writes about it (struct seq_file; fs/seq_file.c).
//
// Tested by: tests/unit/exec_visit_test.cc, syscall_iter_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace forager::exec {

class Map;

// A text of limited size. What does not fit is not written at all, and the file counts as overflowed from then on.
class SeqFile {
 public:
  static constexpr std::size_t kBytes = std::size_t{8} * 4096;  // PAGE_SIZE << 3: what bpf_seq_read() takes

  // False if it overflowed. The last byte is never used, as in Linux.
  bool write(std::span<const std::byte> bytes);
  bool write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

  [[nodiscard]] bool overflowed() const { return count_ == kBytes; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::span<const std::byte> text() const { return {bytes_.get(), count_}; }
  // Keeps the first bytes only; no overflow then.
  void cut(std::size_t count) { count_ = count; }

 private:
  std::unique_ptr<std::byte[]> bytes_ = std::make_unique_for_overwrite<std::byte[]>(kBytes);
  std::size_t count_ = 0;
};

// Nothing stands for null.
struct Visit {
  SeqFile* seq = nullptr;  // never null while a program runs
  std::uint64_t session_id = 0;
  std::uint64_t seq_num = 0;
  std::optional<std::span<const std::byte>> map;  // what the program may read of struct bpf_map
  std::optional<std::span<const std::byte>> key;
  std::optional<std::span<std::byte>> value;
  Map* value_map = nullptr;  // the map that the value stands in; null: it is a copy
};

}  // namespace forager::exec

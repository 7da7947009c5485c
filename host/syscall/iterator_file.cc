// SPDX-License-Identifier: Apache-2.0
#include "syscall/iterator_file.h"

#include <algorithm>
#include <climits>
#include <new>

namespace forager::syscall {

long IteratorFile::read(UserAddress to, std::size_t size) {
  size = std::min<std::size_t>(size, INT_MAX);
  return iterator_->read(size,
                         [to](std::span<const std::byte> text) { return copy_to_user(to, text.data(), text.size()); });
}

std::optional<long> read_iterator(const FdTable& fds, int fd, UserAddress to, std::size_t size) {
  try {
    const auto file = fds.find<IteratorFile>(fd);
    if (!file) return std::nullopt;
    return (*file)->read(to, size);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
//
// Arrays of BPF_OBJ_GET_INFO_BY_FD: the caller says how many elements it has room for, and gets told how many there
// are.
//
// Tested by: tests/unit/syscall_object_test.cc, syscall_jited_info_test.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "syscall/user_memory.h"

namespace forager::syscall {

// Copies as many elements as the caller has room for, and says how many there are. 0 or -EFAULT.
template <class T, class Count>
[[nodiscard]] long put_array(UserAddress to, Count& count, const T* elements, std::size_t there_are) {
  const std::size_t room = std::exchange(count, static_cast<Count>(there_are));
  return copy_to_user(to, elements, std::min<std::size_t>(room, there_are) * sizeof(T));
}

// The same of elements that are made, by a call that gives a vector of so many, only where there is room for one.
template <class Count, class Make>
[[nodiscard]] long put_made(UserAddress to, Count& count, std::size_t there_are, Make make) {
  if (count == 0) {
    count = static_cast<Count>(there_are);
    return 0;
  }
  const auto elements = make();
  return put_array(to, count, elements.data(), elements.size());
}

}  // namespace forager::syscall

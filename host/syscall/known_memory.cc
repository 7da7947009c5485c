// SPDX-License-Identifier: Apache-2.0
#include "syscall/known_memory.h"

#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <span>
#include <string>

namespace forager::syscall {
namespace {

struct Range {
  std::uint64_t begin = 0, end = 0;

  [[nodiscard]] bool holds(std::uint64_t address, std::size_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

// ---- the executable ----------------------------------------------------------------------------------------------

class Ranges {
 public:
  void add(Range range) {
    if (range.begin < range.end && count_ < ranges_.size()) ranges_[count_++] = range;
  }
  [[nodiscard]] bool hold(std::uint64_t address, std::size_t bytes) const {
    return std::ranges::any_of(std::span(ranges_).first(count_),
                               [&](const Range& range) { return range.holds(address, bytes); });
  }

 private:
  std::array<Range, 8> ranges_;  // an executable has four or five segments; what does not fit is unknown
  std::size_t count_ = 0;
};

std::uint64_t page_bytes() { return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)); }

struct Layout {
  Ranges readable, writable;
  std::uint64_t heap_begin = UINT64_MAX;  // where the program break started
};

Range range_of(const dl_phdr_info& object, const ElfW(Phdr) & header) {
  return {object.dlpi_addr + header.p_vaddr, object.dlpi_addr + header.p_vaddr + header.p_memsz};
}

// What the loader made read-only after it had written there (PT_GNU_RELRO).
Range protected_part(const dl_phdr_info& object) {
  for (const auto& header : std::span(object.dlpi_phdr, object.dlpi_phnum)) {
    if (header.p_type == PT_GNU_RELRO) return range_of(object, header);
  }
  return {};
}

// The part of a writable segment behind `locked`, rounded up to a page; all of it where the two do not meet.
Range without(Range segment, Range locked) {
  if (locked.begin >= segment.end || locked.end <= segment.begin) return segment;
  return {(locked.end + page_bytes() - 1) & ~(page_bytes() - 1), segment.end};
}

// The first object is the executable, which is never unloaded; libraries may be.
int read_segments(dl_phdr_info* object, std::size_t, void* out) {
  auto& layout = *static_cast<Layout*>(out);
  const Range locked = protected_part(*object);
  for (const auto& header : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    if (header.p_type != PT_LOAD) continue;
    const Range segment = range_of(*object, header);
    if ((header.p_flags & PF_R) != 0) layout.readable.add(segment);
    if ((header.p_flags & PF_W) != 0) layout.writable.add(without(segment, locked));
  }
  return 1;
}

// start_brk, field 47 of /proc/self/stat (proc(5)); 0 or absent where the process may not be looked into.
std::uint64_t read_heap_begin() {
  constexpr int kFieldsBehindName = 44;  // between the name and start_brk
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::size_t at = text.rfind(')');
  for (int i = 0; i <= kFieldsBehindName && at != std::string::npos; ++i) at = text.find(' ', at + 1);
  const std::uint64_t begin = at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
  return begin == 0 ? UINT64_MAX : begin;
}

const Layout& layout() {
  static const Layout kLayout = [] {
    const int saved = errno;
    Layout read;
    dl_iterate_phdr(read_segments, &read);
    read.heap_begin = read_heap_begin();
    errno = saved;
    return read;
  }();
  return kLayout;
}

// sbrk(0) asks the C library's own variable, not the kernel.
Range heap() { return {layout().heap_begin, reinterpret_cast<std::uint64_t>(sbrk(0))}; }

// ---- the calling thread's stack ----------------------------------------------------------------------------------

constinit thread_local Range stack_of_thread;  // end 0: not asked yet; empty: not known

void read_stack() {
  const int saved = errno;
  pthread_attr_t attributes;
  void* lowest = nullptr;
  std::size_t size = 0;
  stack_of_thread = {1, 1};
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
      const auto begin = reinterpret_cast<std::uint64_t>(lowest);
      stack_of_thread = {begin, begin + size};
    }
    pthread_attr_destroy(&attributes);
  }
  errno = saved;
}

// From this frame upwards: what its callers have in use. Nothing where the code runs on another stack.
Range used_stack() {
  if (stack_of_thread.end == 0) read_stack();
  const auto here = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
  if (!stack_of_thread.holds(here, 1)) return {1, 1};
  return {here, stack_of_thread.end};
}

}  // namespace

bool known_readable(std::uint64_t address, std::size_t bytes) {
  return used_stack().holds(address, bytes) || heap().holds(address, bytes) || layout().readable.hold(address, bytes);
}

bool known_writable(std::uint64_t address, std::size_t bytes) {
  return used_stack().holds(address, bytes) || heap().holds(address, bytes) || layout().writable.hold(address, bytes);
}

}  // namespace forager::syscall

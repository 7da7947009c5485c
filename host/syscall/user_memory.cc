// SPDX-License-Identifier: Apache-2.0
//
// Memory that is known to be good (known_memory.h) is just copied. How a bad address is told elsewhere without touching
// it: the kernel is asked, by a system call that fails with EFAULT before it does anything. Once for each page of a
// range, since pages are what protection is about. Of the calls that could be asked these are the cheapest: prlimit(2)
// of a resource that does not exist reads 16 bytes, getcpu(2) writes 4, and getrandom(2), at three times the price,
// writes a single one; process_vm_readv(2) on oneself costs ten times as much. A signal handler would be cheaper, and
// is not a library's to install.
//
// A page that another thread unmaps between question and copy still faults: a caller can only hurt itself.
#include "syscall/user_memory.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "syscall/known_memory.h"

namespace forager::syscall {
namespace {

constexpr unsigned kInsecure = 4;  // GRND_INSECURE: never waits for entropy

std::size_t page_bytes() {
  static const auto kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return kPage;
}

// Aligned, so that the 16 bytes the kernel reads stay within the byte's page. A null pointer would mean no limit at
// all.
bool may_read(UserAddress address) {
  const UserAddress aligned = address & ~UserAddress{15};
  if (aligned == 0) return false;
  return ::syscall(SYS_prlimit64, 0, ~0U, aligned, nullptr) == 0 || errno != EFAULT;
}

// Overwrites what is about to be overwritten anyway: up to `bytes`, which lie in one page. A null pointer would mean
// that nobody wants to know the CPU.
bool may_write(UserAddress address, std::size_t bytes) {
  if (address == 0) return false;
  const long result = bytes >= sizeof(unsigned) ? ::syscall(SYS_getcpu, address, nullptr, nullptr)
                                                : ::syscall(SYS_getrandom, address, 1, kInsecure);
  return result >= 0 || errno != EFAULT;
}

// Asks for the part of the range in every page that it touches.
template <class Probe>
bool all_pages(UserAddress address, std::size_t bytes, Probe probe) {
  const UserAddress end = address + bytes;
  if (end < address) return false;
  const int saved = errno;
  bool allowed = true;
  for (UserAddress at = address; allowed && at < end;) {
    const UserAddress next = std::min(end - 1, at | (page_bytes() - 1)) + 1;
    allowed = probe(at, next - at);
    at = next;
  }
  errno = saved;
  return allowed;
}

bool may_read_all(UserAddress address, std::size_t bytes) {
  if (bytes == 0 || known_readable(address, bytes)) return true;
  return all_pages(address, bytes, [](UserAddress at, std::size_t) { return may_read(at); });
}
bool may_write_all(UserAddress address, std::size_t bytes) {
  if (bytes == 0 || known_writable(address, bytes)) return true;
  return all_pages(address, bytes, may_write);
}

}  // namespace

long copy_from_user(void* to, UserAddress from, std::size_t bytes) {
  if (!may_read_all(from, bytes)) return -EFAULT;
  if (bytes > 0) std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return 0;
}

long copy_to_user(UserAddress to, const void* from, std::size_t bytes) {
  if (!may_write_all(to, bytes)) return -EFAULT;
  if (bytes > 0) std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return 0;
}

Errno<std::vector<std::byte>> read_user(UserAddress from, std::size_t bytes) {
  if (!may_read_all(from, bytes)) return std::unexpected(-EFAULT);  // before memory is taken for an absurd size
  std::vector<std::byte> data(bytes);
  if (bytes > 0) std::memcpy(data.data(), reinterpret_cast<const void*>(from), bytes);
  return data;
}

// Page by page, and in each no further than the string's end.
Errno<std::string> read_user_string(UserAddress from, std::size_t limit) {
  std::string text;
  while (text.size() + 1 < limit) {
    const UserAddress at = from + text.size();
    const std::size_t chunk = std::min(page_bytes() - at % page_bytes(), limit - 1 - text.size());
    if (!may_read_all(at, chunk)) return std::unexpected(-EFAULT);
    const auto* bytes = reinterpret_cast<const char*>(at);
    const std::size_t length = strnlen(bytes, chunk);
    text.append(bytes, length);
    if (length < chunk) break;
  }
  return text;
}

long check_tail_zero(UserAddress structure, std::size_t known, std::size_t given) {
  if (given > page_bytes()) return -E2BIG;
  if (given <= known) return 0;
  const auto tail = read_user(structure + known, given - known);
  if (!tail) return tail.error();
  return std::ranges::all_of(*tail, [](std::byte byte) { return byte == std::byte{0}; }) ? 0 : -E2BIG;
}

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/executable.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace forager::jit {
namespace {

std::unexpected<Diagnostic> failed(const char* call) {
  const int error = errno;
  return fail(ErrorKind::system, error, fmt::format("memory for machine code: {}: {}", call, std::strerror(error)));
}

// A call reaches 2 GiB either way: tries places below our own code first. Where none is free, anywhere will do.
void* reserve(std::size_t bytes) {
  constexpr std::uintptr_t kStep = std::uintptr_t{1} << 24, kReach = std::uintptr_t{1} << 30;
  const auto here = reinterpret_cast<std::uintptr_t>(&reserve) & ~(kStep - 1);
  for (std::uintptr_t back = kStep; back < kReach && back < here; back += kStep) {
    void* at = mmap(reinterpret_cast<void*>(here - back), bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != MAP_FAILED) return at;
    if (errno != EEXIST) break;
  }
  return mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

}  // namespace

Executable::~Executable() {
  if (!pages_.empty()) munmap(pages_.data(), pages_.size());
}

Result<Executable> Executable::make(std::size_t size, const std::function<Result<>(std::span<std::byte>)>& write) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t inner = (size + page - 1) / page * page;
  void* all = reserve(inner + 2 * page);
  if (all == MAP_FAILED) return failed("mmap");
  Executable made;
  made.pages_ = {static_cast<std::byte*>(all), inner + 2 * page};
  std::byte* code = made.pages_.data() + page;
  if (mprotect(code, inner, PROT_READ | PROT_WRITE) != 0) return failed("mprotect");
  if (auto written = write({code, size}); !written) return std::unexpected(std::move(written.error()));
  if (mprotect(code, inner, PROT_READ | PROT_EXEC) != 0) return failed("mprotect");
  __builtin___clear_cache(reinterpret_cast<char*>(code), reinterpret_cast<char*>(code + size));
  made.code_ = {code, size};
  return made;
}

}  // namespace forager::jit

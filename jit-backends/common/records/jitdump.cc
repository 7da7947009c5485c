// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/jitdump.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "jit-backends/common/records/append.h"

namespace forager::jit {
namespace {

// The specification's records.
enum class RecordId : std::uint32_t { code_load = 0, code_debug_info = 2, code_close = 3 };

struct Header {
  std::uint32_t magic = 0x4A695444;  // "JiTD"
  std::uint32_t version = 1;
  std::uint32_t total_size = sizeof(Header);
  std::uint32_t elf_machine = 0;
  std::uint32_t padding = 0;
  std::uint32_t pid = 0;
  std::uint64_t timestamp = 0;
  std::uint64_t flags = 0;
};

struct Prefix {
  RecordId id{};
  std::uint32_t total_size = sizeof(Prefix);
  std::uint64_t timestamp = 0;
};

struct CodeLoad {
  std::uint32_t pid = 0, tid = 0;
  std::uint64_t vma = 0, address = 0, size = 0, index = 0;
};

struct DebugInfo {
  std::uint64_t address = 0, entries = 0;
};

struct DebugEntry {
  std::uint64_t address = 0;
  std::uint32_t line = 0, discriminator = 0;
};

#if defined(__aarch64__)
constexpr std::uint32_t kMachine = EM_AARCH64;
#else
constexpr std::uint32_t kMachine = EM_X86_64;
#endif

std::uint64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

// A record that begins at `at` ends here.
void seal(std::vector<std::byte>& out, std::size_t at, RecordId id) {
  const Prefix prefix = {.id = id, .total_size = static_cast<std::uint32_t>(out.size() - at), .timestamp = now()};
  std::memcpy(&out[at], &prefix, sizeof prefix);
}

std::uint64_t address_of(const PlacedCode& code, std::uint32_t offset) {
  return reinterpret_cast<std::uint64_t>(code.bytes.data()) + offset;
}

}  // namespace

Result<std::unique_ptr<CodeListener>> JitDump::make(const std::string& directory) {
  auto file = RecordFile::open(fmt::format("{}/jit-{}.dump", directory, getpid()));
  if (!file) return std::unexpected(std::move(file.error()));
  std::unique_ptr<JitDump> dump(new JitDump(std::move(*file)));
  if (auto begun = dump->begin(); !begun) return std::unexpected(std::move(begun.error()));
  return dump;
}

JitDump::~JitDump() {
  if (marker_ == nullptr) return;
  munmap(marker_, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
  if (!file_.mine()) return;
  append(out_, Prefix{});
  seal(out_, 0, RecordId::code_close);
  std::ignore = write();
}

Result<> JitDump::begin() {
  if (auto emptied = file_.empty(); !emptied) return emptied;
  append(out_, Header{.elf_machine = kMachine, .pid = static_cast<std::uint32_t>(getpid()), .timestamp = now()});
  if (auto written = write(); !written) return written;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* marker = mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file_.fd(), 0);
  if (marker == MAP_FAILED) {
    const int error = errno;
    return fail(
        ErrorKind::system, error,
        fmt::format("cannot map {} executable, by which perf finds it: {}", file_.path(), std::strerror(error)));
  }
  marker_ = marker;
  return {};
}

Result<> JitDump::added(const PlacedCode& code) {
  if (!file_.mine()) return {};
  const auto lines = lines_of(*code.image);
  for (const CodeSymbol& symbol : symbols_of(*code.image)) {
    put_lines(code, symbol, lines);
    put_code(code, symbol);
  }
  return write();
}

// The lines of code come before the code.
void JitDump::put_lines(const PlacedCode& code, const CodeSymbol& symbol, std::span<const SourcePlace> lines) {
  const auto first = std::ranges::lower_bound(lines, symbol.offset, {}, &SourcePlace::offset);
  const auto last = std::ranges::lower_bound(lines, symbol.offset + symbol.size, {}, &SourcePlace::offset);
  if (first == last) return;
  const std::size_t at = out_.size();
  append(out_, Prefix{});
  append(out_, DebugInfo{address_of(code, symbol.offset), static_cast<std::uint64_t>(last - first)});
  for (const SourcePlace& place : std::span(first, last)) {
    append(out_, DebugEntry{.address = address_of(code, place.offset), .line = place.line->line});
    append_text(out_, place.line->file);
  }
  seal(out_, at, RecordId::code_debug_info);
}

void JitDump::put_code(const PlacedCode& code, const CodeSymbol& symbol) {
  const std::uint64_t address = address_of(code, symbol.offset);
  const std::size_t at = out_.size();
  append(out_, Prefix{});
  append(out_, CodeLoad{.pid = static_cast<std::uint32_t>(getpid()),
                        .tid = static_cast<std::uint32_t>(gettid()),
                        .vma = address,
                        .address = address,
                        .size = symbol.size,
                        .index = next_index_++});
  append_text(out_, symbol.name);
  append_bytes(out_, code.bytes.subspan(symbol.offset, symbol.size));
  seal(out_, at, RecordId::code_load);
}

Result<> JitDump::write() {
  const auto written = file_.append(out_);
  out_.clear();
  if (!written) return std::unexpected(written.error());
  return {};
}

}  // namespace forager::jit

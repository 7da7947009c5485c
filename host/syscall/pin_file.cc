// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "maps/memory.h"
#include "program/sha1.h"

namespace forager::syscall {
namespace {

using maps::Fd;

constexpr std::uint32_t kLargestNumber = 1U << 30;                           // so that there is always a next one
constexpr std::string_view kSuffixes[] = {".btf", ".map", ".prog", ".pin"};  // by RecordKind

constexpr std::string_view kUnfinished = ".new";

struct Header {
  char magic[8] = {'f', 'o', 'r', 'a', 'g', 'e', 'r', '\0'};
  std::uint32_t version = 1;
  std::uint32_t kind = 0;
  std::uint64_t bytes = 0;
};
static_assert(sizeof(Header) == 24);
using Digest = std::array<std::uint8_t, 20>;
constexpr std::size_t kAround = sizeof(Header) + sizeof(Digest);

std::unexpected<Diagnostic> refused(const char* what) {
  return fail(ErrorKind::system, errno, fmt::format("{}: {}", what, std::strerror(errno)));
}
std::unexpected<Diagnostic> bad(std::string what) { return fail(ErrorKind::input, EINVAL, std::move(what)); }

// syscall() passes by the functions of that name which lead back here (wrap_files.cc).
void remove(int directory, const std::string& name) { ::syscall(SYS_unlinkat, directory, name.c_str(), 0); }

Result<> write_all(const Fd& fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return refused("cannot write");
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> read_all(const Fd& fd, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
    if (got < 0 && errno != EINTR) return refused("cannot read");
    if (got == 0) return bad("is cut off");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

// Bytes of a regular file that the machine could hold.
Result<std::size_t> size_of(const Fd& fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return refused("cannot be looked at");
  if (!S_ISREG(status.st_mode)) return bad("is no regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < kAround) return bad("is cut off");
  if (!maps::check_memory(size)) return bad("is larger than this machine's memory");
  return size;
}

Result<> check(std::span<const std::byte> bytes, RecordKind kind) {
  Header header;
  const Header expected;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0) return bad("is no file of kept pins");
  if (header.version != expected.version) {
    return bad(fmt::format("has version {}; this build knows version {}", header.version, expected.version));
  }
  if (header.kind != static_cast<std::uint32_t>(kind)) return bad("holds another kind of object than its name says");
  if (header.bytes != bytes.size() - kAround) {
    return bad(fmt::format("says that it holds {} bytes, but has {}", header.bytes, bytes.size() - kAround));
  }
  Digest digest;
  const auto before = bytes.first(bytes.size() - sizeof digest);
  std::memcpy(&digest, bytes.data() + before.size(), sizeof digest);
  return digest == program::sha1(before) ? Result<>{} : bad("is damaged: its checksum is another");
}

std::vector<std::byte> framed(RecordKind kind, std::span<const std::byte> record) {
  const Header header{.kind = static_cast<std::uint32_t>(kind), .bytes = record.size()};
  std::vector<std::byte> bytes(kAround + record.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!record.empty()) std::memcpy(bytes.data() + sizeof header, record.data(), record.size());
  const auto before = std::span(bytes).first(sizeof header + record.size());
  const Digest digest = program::sha1(before);
  std::memcpy(bytes.data() + before.size(), digest.data(), sizeof digest);
  return bytes;
}

}  // namespace

std::string name_of(const PinFile& file) {
  return fmt::format("{}{}", file.number, kSuffixes[static_cast<std::size_t>(file.kind)]);
}

std::optional<PinFile> pin_file_named(std::string_view name) {
  for (std::size_t kind = 0; kind < std::size(kSuffixes); ++kind) {
    if (!name.ends_with(kSuffixes[kind])) continue;
    PinFile file{.kind = static_cast<RecordKind>(kind)};
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), file.number);
    const bool numbered = error == std::errc{} && file.number != 0 && file.number <= kLargestNumber;
    if (numbered && name_of(file) == name) return file;
  }
  return std::nullopt;
}

Result<> write_pin_file(int directory, const PinFile& file, std::span<const std::byte> record) {
  const std::string name = name_of(file), beside = name + std::string(kUnfinished);
  const Fd fd(::openat(directory, beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return refused("cannot be made");
  if (auto written = write_all(fd, framed(file.kind, record)); !written) return written;
  if (::fsync(fd.get()) != 0) return refused("cannot be brought to the disk");
  if (::renameat(directory, beside.c_str(), directory, name.c_str()) != 0) return refused("cannot be renamed");
  return ::fsync(directory) == 0 ? Result<>{} : refused("cannot be brought to the disk");
}

Result<std::vector<std::byte>> read_pin_file(int directory, const PinFile& file) {
  const Fd fd(::openat(directory, name_of(file).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) return refused("cannot be opened");
  const auto size = size_of(fd);
  if (!size) return std::unexpected(size.error());
  std::vector<std::byte> bytes(*size);
  if (auto read = read_all(fd, bytes); !read) return std::unexpected(read.error());
  if (auto checked = check(bytes, file.kind); !checked) return std::unexpected(checked.error());
  bytes.erase(bytes.begin(), bytes.begin() + sizeof(Header));
  bytes.resize(*size - kAround);
  return bytes;
}

Result<std::vector<PinFile>> list_pin_files(int directory, const std::string& path) {
  std::vector<PinFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    const std::string name = entry.path().filename().string();
    if (const auto file = pin_file_named(name)) files.push_back(*file);
    const bool unfinished = name.ends_with(kUnfinished);
    if (!unfinished || !pin_file_named(std::string_view(name).substr(0, name.size() - kUnfinished.size()))) continue;
    remove(directory, name);
  }
  if (error) return fail(ErrorKind::system, error.value(), fmt::format("{}: {}", path, error.message()));
  return files;
}

void remove_pin_file(int directory, const PinFile& file) { remove(directory, name_of(file)); }

}  // namespace forager::syscall

// SPDX-License-Identifier: Apache-2.0
#include "api/elf_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace forager::api {
namespace {

constexpr const char* kWanted = "a BPF object file (clang -target bpf -c) is wanted";

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (elf_ != nullptr) ::elf_end(elf_);
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool open() const { return fd_ >= 0; }
  [[nodiscard]] struct stat status() const {
    struct stat result{};
    if (::fstat(fd_, &result) != 0) result = {};
    return result;
  }
  [[nodiscard]] Elf* elf() {
    if (elf_ == nullptr && ::elf_version(EV_CURRENT) != EV_NONE) elf_ = ::elf_begin(fd_, ELF_C_READ, nullptr);
    return elf_;
  }

 private:
  int fd_;
  Elf* elf_ = nullptr;
};

std::unexpected<Diagnostic> bad(const std::string& path, const std::string& what) {
  return fail(ErrorKind::input, EINVAL, fmt::format("{}: {}; {}", path, what, kWanted));
}

bool sections_fit(const GElf_Ehdr& header, std::uint64_t size) {
  const std::uint64_t table = std::uint64_t{header.e_shnum} * header.e_shentsize;
  return header.e_shoff != 0 && header.e_shoff <= size && table <= size - header.e_shoff;
}

// What each section of content claims must lie in the file too.
bool contents_fit(Elf* elf, std::uint64_t size) {
  for (Elf_Scn* section = ::elf_nextscn(elf, nullptr); section != nullptr; section = ::elf_nextscn(elf, section)) {
    GElf_Shdr header{};
    if (::gelf_getshdr(section, &header) == nullptr) return false;
    if (header.sh_type == SHT_NOBITS) continue;
    if (header.sh_offset > size || header.sh_size > size - header.sh_offset) return false;
  }
  return true;
}

}  // namespace

Result<> check_elf(const std::string& path) {
  File file(path);
  if (!file.open()) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  const struct stat status = file.status();
  if (!S_ISREG(status.st_mode)) return bad(path, "not a regular file");
  GElf_Ehdr header{};
  if (file.elf() == nullptr || ::elf_kind(file.elf()) != ELF_K_ELF) return bad(path, "not an ELF file");
  if (::gelf_getehdr(file.elf(), &header) == nullptr) return bad(path, "the ELF header is cut off or damaged");
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return bad(path, "a 32-bit ELF file");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return bad(path, "a big-endian ELF file, and every device of ours is little-endian (-target bpfel)");
  }
  // Old clang versions leave the machine of BPF objects unset, as libbpf allows.
  if (header.e_machine != EM_BPF && header.e_machine != EM_NONE) {
    return bad(path, fmt::format("an ELF file for machine {}, not for BPF ({})", header.e_machine, EM_BPF));
  }
  if (header.e_type != ET_REL) return bad(path, "a linked ELF file, not a relocatable object");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (!sections_fit(header, size) || !contents_fit(file.elf(), size)) {
    return bad(path, fmt::format("truncated: its sections reach past its {} bytes", size));
  }
  return {};
}

}  // namespace forager::api

// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/tee.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "isa/tables.h"
#include "jit-backends/linux/raw_bpf.h"
#include "program/map_reference.h"
#include "syscall/bpf.h"
#include "syscall/messages.h"
#include "syscall/process.h"

namespace forager::twins {
namespace {

using isa::MapType;
using jit::linux_kernel::Fd;

// Maps whose values user space gives as descriptors.
constexpr MapType kOfDescriptors[] = {MapType::prog_array,  MapType::array_of_maps, MapType::hash_of_maps,
                                      MapType::devmap,      MapType::devmap_hash,   MapType::perf_event_array,
                                      MapType::cgroup_array};

class Tee {
 public:
  Tee() {
    process_.runtime.settings.verify_only = true;  // maps are declared, not built: every type there is
    process_.runtime.settings.on_load = [this](const runtime::LoadAttempt& attempt) { source_ = attempt.source; };
  }

  long bpf(int command, bpf_attr& attr, std::size_t size) {
    switch (command) {
      case BPF_BTF_LOAD:
      case BPF_MAP_CREATE:
        return create(command, attr, size);
      case BPF_MAP_UPDATE_ELEM:
      case BPF_MAP_FREEZE:
        return change(command, attr, size);
      case BPF_PROG_LOAD:
        return load(attr, size);
      case BPF_OBJ_GET:  // maps with a pinning are made anew, and the machine's pins are left alone
        return -ENOENT;
      case BPF_OBJ_PIN:
        return 0;
      default:
        return theirs(command, attr, size);
    }
  }

  std::vector<Subject> take() { return std::move(subjects_); }

 private:
  // The kernel, or ours in its place.
  long theirs(int command, bpf_attr& attr, std::size_t size) {
    if (no_kernel().empty()) return kernel_bpf(command, attr, size);
    return syscall::bpf(process_, command, &attr, static_cast<unsigned>(size));
  }

  long ours(int command, bpf_attr& attr, std::size_t size) {
    return syscall::bpf(process_, command, &attr, static_cast<unsigned>(size));
  }

  // Our descriptor for one of libbpf's, or a negative errno.
  [[nodiscard]] long twin_of(std::uint32_t fd) const {
    if (!no_kernel().empty()) return fd;
    const auto found = twins_.find(static_cast<int>(fd));
    return found == twins_.end() ? -EBADF : found->second;
  }
  void translate(__u32& fd) const { fd = static_cast<__u32>(std::max(twin_of(fd), 0L)); }

  long create(int command, bpf_attr& attr, std::size_t size) {
    const long fd = theirs(command, attr, size);
    if (fd < 0 || !no_kernel().empty()) return fd;
    copies_[static_cast<int>(fd)] = fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 0);
    kept_->emplace_back(copies_[static_cast<int>(fd)]);
    bpf_attr copy = copy_of(attr, size);
    if (command == BPF_MAP_CREATE) {
      if (copy.btf_fd != 0) translate(copy.btf_fd);
      if (copy.inner_map_fd != 0) translate(copy.inner_map_fd);
      types_[static_cast<int>(fd)] = static_cast<MapType>(copy.map_type);
    }
    copy.log_buf = 0;
    twins_[static_cast<int>(fd)] = ours(command, copy, size);
    return fd;
  }

  long change(int command, bpf_attr& attr, std::size_t size) {
    const long result = theirs(command, attr, size);
    if (result < 0 || !no_kernel().empty()) return result;
    const auto type = types_.find(static_cast<int>(attr.map_fd));
    const bool by_descriptor =
        type != types_.end() && std::ranges::find(kOfDescriptors, type->second) != std::end(kOfDescriptors);
    if (by_descriptor || twin_of(attr.map_fd) < 0) return result;  // no verdict depends on what such maps hold
    bpf_attr copy = copy_of(attr, size);
    translate(copy.map_fd);
    (void)ours(command, copy, size);
    return result;
  }

  long load(bpf_attr& attr, std::size_t size) {
    Subject subject;
    subject.kernel = LoadCall(attr, size);
    subject.name = subject.kernel.name();
    subject.maps = kept_;
    ask_for_source(subject);
    subject.kernel.rename([&](int fd) { return copies_.contains(fd) ? copies_[fd] : fd; });
    subjects_.push_back(std::move(subject));
    const long result = theirs(BPF_PROG_LOAD, attr, size);
    return result < 0 && no_kernel().empty() && !subjects_.back().name.empty() ? load_smallest() : result;
  }

  // Ours is asked through its door, for what that makes of the call.
  void ask_for_source(Subject& subject) {
    std::vector<isa::Slot> slots(subject.kernel.slots().begin(), subject.kernel.slots().end());
    subject.missing = translate(slots);
    if (subject.missing) return;
    bpf_attr attr = subject.kernel.over(slots);
    if (attr.prog_btf_fd != 0) translate(attr.prog_btf_fd);
    source_ = {};
    std::string log(std::size_t{1} << 16U, '\0');
    attr.log_level = 1;
    attr.log_buf = reinterpret_cast<__u64>(log.data());
    attr.log_size = static_cast<__u32>(log.size());
    const long fd = ours(BPF_PROG_LOAD, attr, sizeof attr);
    if (fd >= 0) (void)process_.fds.close(static_cast<int>(fd));
    if (source_.slots.empty()) {
      subject.missing = fail(ErrorKind::unsupported, static_cast<int>(-fd),
                             fmt::format("our bpf(2) does not take the call: {} {}",
                                         std::strerror(static_cast<int>(-fd)), log.c_str()))
                            .error();
    }
    subject.source = std::move(source_);
  }

  std::optional<Diagnostic> translate(std::vector<isa::Slot>& slots) const {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].opcode != program::kWideOpcode) continue;
      if (program::is_map_reference(slots[i])) {
        const long twin = twin_of(static_cast<std::uint32_t>(slots[i].imm));
        if (twin < 0) return no_map(slots[i].imm, twin);
        slots[i].imm = static_cast<std::int32_t>(twin);
      }
      ++i;
    }
    return std::nullopt;
  }

  [[nodiscard]] Diagnostic no_map(int fd, long error) const {
    const auto type = types_.find(fd);
    const isa::MapRow* row = type == types_.end() ? nullptr : isa::find_map(static_cast<std::uint32_t>(type->second));
    return fail(ErrorKind::unsupported, static_cast<int>(-error),
                fmt::format("our bpf(2) does not create the map of type {}", row == nullptr ? "unknown" : row->name))
        .error();
  }

  static bpf_attr copy_of(const bpf_attr& attr, std::size_t size) {
    bpf_attr copy;
    std::memset(&copy, 0, sizeof copy);
    std::memcpy(&copy, &attr, std::min(size, sizeof copy));
    return copy;
  }

  syscall::Process process_;
  std::map<int, long> twins_;  // of libbpf's descriptors: ours, or a negative errno
  std::map<int, int> copies_;  // of libbpf's descriptors: the same object's, in kept_
  std::shared_ptr<std::vector<Fd>> kept_ = std::make_shared<std::vector<Fd>>();
  std::map<int, MapType> types_;
  program::Source source_;
  std::vector<Subject> subjects_;
};

thread_local Tee* t_tee = nullptr;

// Only the object's own programs: libbpf loads small ones besides, to learn what the kernel can.
void keep_programs_of(const bpf_object* object, std::vector<Subject>& subjects) {
  std::vector<std::string> names;
  const bpf_program* program = nullptr;
  while ((program = bpf_object__next_program(object, const_cast<bpf_program*>(program))) != nullptr) {
    names.emplace_back(bpf_program__name(program));
  }
  const auto whole = [&](Subject& subject) {
    for (const std::string& name : names) {
      if (name.substr(0, BPF_OBJ_NAME_LEN - 1) != subject.name) continue;
      subject.name = name;
      return false;
    }
    return true;
  };
  std::erase_if(subjects, whole);
}

std::string object_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename();
  if (const std::size_t end = name.rfind(".bpf.o"); end != std::string::npos) name.resize(end);
  return name;
}

}  // namespace

Result<std::vector<Subject>> load_twice(const std::string& path) {
  const syscall::MessageCapture said;
  const std::shared_ptr<bpf_object> object(bpf_object__open_file(path.c_str(), nullptr),
                                           [](bpf_object* opened) { bpf_object__close(opened); });
  if (!object) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, said.first()));
  // A map that is to be pinned is not here: nothing says that there is a file system for it.
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) bpf_map__set_pin_path(map, nullptr);
  Tee tee;
  t_tee = &tee;
  const int status = bpf_object__load(object.get());
  t_tee = nullptr;
  std::vector<Subject> subjects = tee.take();
  keep_programs_of(object.get(), subjects);
  if (status != 0 && subjects.empty()) {
    return fail(ErrorKind::system, -status, fmt::format("{}: {}", path, said.first()));
  }
  for (Subject& subject : subjects) subject.object = object_name(path);
  return subjects;
}

}  // namespace forager::twins

extern "C" {

long __real_syscall(long number, ...);

// libbpf's door to the kernel, as the linker gives it to us. Reads six registers, as the C library's own does.
long __wrap_syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number != SYS_bpf || forager::twins::t_tee == nullptr) {
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  const long result = forager::twins::t_tee->bpf(static_cast<int>(a[0]), *reinterpret_cast<bpf_attr*>(a[1]),
                                                 static_cast<std::size_t>(a[2]));
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // extern "C"

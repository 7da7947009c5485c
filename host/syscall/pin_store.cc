// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <new>
#include <optional>
#include <tuple>

#include "syscall/pin_records.h"
#include "syscall/pin_restore.h"
#include "syscall/process.h"

namespace forager::syscall {
namespace {

using maps::Fd;

std::unexpected<Diagnostic> refused(const std::string& path, const std::string& why, int error) {
  return fail(ErrorKind::system, error, path + ": " + why);
}
std::unexpected<Diagnostic> refused(const std::string& path) { return refused(path, std::strerror(errno), errno); }

template <class Call>
Result<> within_memory(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::system, ENOMEM, "pins need more memory than there is");
  }
}

long errno_of(const Diagnostic& why) { return why.error != 0 ? -why.error : -EIO; }

}  // namespace

PinStore::~PinStore() { close(); }

bool PinStore::keeps() const { return owner_ == ::getpid(); }

// ---- opening and closing -----------------------------------------------------------------------------------------

Result<std::vector<Diagnostic>> PinStore::open(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  if (owner_ != 0) return refused(directory, "pins are kept already, in " + path_, EBUSY);
  if (!process_.files.pins().pinned().empty()) return refused(directory, "there are pins already", EBUSY);
  auto taken = take(directory);
  auto files = taken ? list_pin_files(directory_.get(), directory) : std::unexpected(taken.error());
  if (!files) {
    let_go();
    return std::unexpected(files.error());
  }
  for (const PinFile& file : *files) last_number_ = std::max(last_number_, file.number);
  auto restored = restore_pins(process_, directory_.get(), directory, std::move(*files));
  adopt(restored);
  path_ = directory;
  owner_ = ::getpid();
  process_.files.pins().watch([this](const std::string& path) { return changed(path); });
  return std::move(restored.left_out);
}

Result<> PinStore::take(const std::string& directory) {
  const auto parent = std::filesystem::path(directory).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return refused(directory, error.message(), error.value());
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return refused(directory);
  directory_ = Fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory_.get() < 0) return refused(directory);
  lock_ = Fd(::openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (lock_.get() < 0) return refused(directory + "/lock");
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return refused(directory, "another process keeps its pins there", EBUSY);
  return refused(directory + "/lock");
}

void PinStore::adopt(const Restored& restored) {
  for (const RestoredFile& used : restored.files) {
    files_[used.file.number] = {.kind = used.file.kind, .names = used.names};
    if (used.file.kind == RecordKind::pin) {
      pins_[used.path] = used.file.number;
    } else {
      numbers_[{used.file.kind, used.id}] = used.file.number;
    }
  }
  if (!restored.left_out.empty()) spared_ = last_number_;
}

Result<> PinStore::save() {
  if (!keeps()) return {};
  const std::lock_guard guard(mutex_);
  Result<> result;
  Pass pass{.again = true, .seen = {}};
  for (const auto& [path, object] : process_.files.pins().pinned()) {
    const auto as_kept = kept(object);
    if (!as_kept) continue;
    auto written = within_memory([&] { return write(*as_kept, pass, true); });
    if (written && !pins_.contains(path)) written = write_pin(path, *as_kept);
    if (!written && result) result = std::move(written);
  }
  sweep();
  return result;
}

void PinStore::close() {
  std::ignore = save();  // whoever wants to know has called it before
  if (!keeps()) return;
  const std::lock_guard guard(mutex_);
  owner_ = 0;
  let_go();
}

void PinStore::let_go() {
  directory_ = Fd();
  lock_ = Fd();
}

// ---- pins that come and go ---------------------------------------------------------------------------------------

// What stands at the path now is what counts: of two changes at once, the one that is told of last writes the end.
long PinStore::changed(const std::string& path) {
  if (!keeps()) return 0;
  const std::lock_guard guard(mutex_);
  if (directory_.get() < 0) return 0;  // closed meanwhile
  const auto object = process_.files.pins().get(path);
  const auto as_kept = object ? kept(*object) : std::nullopt;
  Pass pass;
  auto written = within_memory([&] { return as_kept ? write(*as_kept, pass, true) : Result<>(); });
  if (as_kept && written) written = write_pin(path, *as_kept);
  if (as_kept && written) return 0;
  remove_pin(path);
  sweep();
  return written ? 0 : errno_of(written.error());
}

std::uint32_t PinStore::number_of(const Kept& object) {
  std::uint32_t& number = numbers_[{kind_of(object), id_of(object)}];
  if (number == 0) number = ++last_number_;
  return number;
}

// What an object names is written before it, so that a crash leaves no name without its object, circles apart.
Result<> PinStore::write(const Kept& object, Pass& pass, bool again) {
  const std::uint32_t number = number_of(object);
  if (!again && files_.contains(number)) return {};
  if (!pass.seen.insert(number).second) return {};
  std::vector<Kept> named;
  Numbers names;
  const auto record = capture(process_, object, [&](const Kept& other) {
    named.push_back(other);
    return names.emplace_back(number_of(other));
  });
  for (const Kept& other : named) {
    if (auto written = write(other, pass, pass.again); !written) return written;
  }
  return write({kind_of(object), number}, record, std::move(names));
}

Result<> PinStore::write(const PinFile& file, std::span<const std::byte> record, Numbers names) {
  if (auto written = write_pin_file(directory_.get(), file, record); !written) {
    written.error().message = fmt::format("{}/{}: {}", path_, name_of(file), written.error().message);
    return written;
  }
  files_[file.number] = {.kind = file.kind, .names = std::move(names)};
  return {};
}

Result<> PinStore::write_pin(const std::string& path, const Kept& object) {
  std::uint32_t& number = pins_[path];
  if (number == 0) number = ++last_number_;
  const std::uint32_t pinned = number_of(object);
  return write({RecordKind::pin, number}, pack(PinRecord{.path = path, .object = pinned}), {pinned});
}

void PinStore::remove_pin(const std::string& path) {
  const auto at = pins_.find(path);
  if (at == pins_.end()) return;
  remove_pin_file(directory_.get(), {RecordKind::pin, at->second});
  files_.erase(at->second);
  pins_.erase(at);
}

void PinStore::sweep() {
  std::set<std::uint32_t> needed;
  Numbers next;
  for (const auto& [path, number] : pins_) next.push_back(number);
  while (!next.empty()) {
    const std::uint32_t number = next.back();
    next.pop_back();
    const auto file = files_.find(number);
    if (!needed.insert(number).second || file == files_.end()) continue;
    std::ranges::copy(file->second.names, std::back_inserter(next));
  }
  std::erase_if(files_, [&](const auto& entry) {
    if (entry.first <= spared_ || needed.contains(entry.first)) return false;
    remove_pin_file(directory_.get(), {entry.second.kind, entry.first});
    return true;
  });
  std::erase_if(numbers_, [&](const auto& entry) { return !files_.contains(entry.second); });
}

}  // namespace forager::syscall

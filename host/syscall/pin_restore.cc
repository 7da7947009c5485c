// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_restore.h"

#include <fmt/format.h>
#include <linux/limits.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <new>
#include <utility>

#include "syscall/pin_capture.h"
#include "syscall/pin_contents.h"
#include "syscall/pin_rebuild.h"

namespace forager::syscall {
namespace {

using runtime::MapUser;
using Bytes = std::span<const std::byte>;

std::unexpected<Diagnostic> bad(std::string what) { return fail(ErrorKind::input, EINVAL, std::move(what)); }
std::unexpected<Diagnostic> malformed() { return bad("is malformed"); }

class Restorer {
 public:
  Restorer(Process& process, int directory, const std::string& path)
      : process_(process), directory_(directory), path_(path) {}

  Restored restore(std::vector<PinFile> files) {
    std::ranges::sort(files);
    const auto pins = std::ranges::find(files, RecordKind::pin, &PinFile::kind);
    for (auto file = files.begin(); file != pins; ++file) attempt(*file);
    for (Unlinked& one : unlinked_) link(one);
    for (auto file = pins; file != files.end(); ++file) attempt(*file);
    return std::move(restored_);
  }

 private:
  using Make = Result<> (Restorer::*)(const PinFile&, Bytes);
  // A map whose elements wait for what they name.
  struct Unlinked {
    std::size_t file;  // in restored_
    std::shared_ptr<MapUser> map;
    Contents contents;
    bool frozen;
  };

  void attempt(const PinFile& file) {
    constexpr Make kMake[] = {&Restorer::make_btf, &Restorer::make_map, &Restorer::make_program, &Restorer::make_pin};
    if (objects_.contains(file.number)) {
      say(file, bad("has the number of another file").error());
      return;
    }
    try {
      const auto record = read_pin_file(directory_, file);
      auto made =
          record ? (this->*kMake[static_cast<std::size_t>(file.kind)])(file, *record) : std::unexpected(record.error());
      if (!made) say(file, std::move(made.error()));
    } catch (const std::bad_alloc&) {
      say(file, fail(ErrorKind::system, ENOMEM, "needs more memory than there is").error());
    }
  }

  void say(const PinFile& file, Diagnostic why) {
    why.message = fmt::format("{}/{}: {}", path_, name_of(file), why.message);
    restored_.left_out.push_back(std::move(why));
  }

  [[nodiscard]] const Object* object(std::uint32_t number) const {
    const auto at = objects_.find(number);
    return at != objects_.end() ? &at->second : nullptr;
  }

  // ---- one of each kind ----

  template <class Record>
  Result<Object> make(const Record& record) {
    return rebuild(process_, record, [this](std::uint32_t number) { return object(number); });
  }

  template <class Record>
  void keep(const PinFile& file, const Object& object, const Record& record) {
    const auto as_kept = kept(object);
    const std::uint32_t id = as_kept ? id_of(*as_kept) : std::get<std::shared_ptr<runtime::BtfObject>>(object)->id;
    objects_.emplace(file.number, object);
    restored_.files.push_back({.file = file, .id = id, .names = needs_of(record), .path = {}});
  }

  template <class Record>
  Result<> make_plain(const PinFile& file, Bytes bytes) {
    const auto record = unpack<Record>(bytes);
    if (!record) return malformed();
    const auto made = make(*record);
    if (!made) return std::unexpected(made.error());
    keep(file, *made, *record);
    return {};
  }
  Result<> make_btf(const PinFile& file, Bytes bytes) { return make_plain<BtfRecord>(file, bytes); }
  Result<> make_program(const PinFile& file, Bytes bytes) { return make_plain<ProgramRecord>(file, bytes); }

  Result<> make_map(const PinFile& file, Bytes bytes) {
    auto record = unpack<MapRecord>(bytes);
    if (!record) return malformed();
    const auto made = make(*record);
    if (!made) return std::unexpected(made.error());
    auto user = std::get<std::shared_ptr<MapUser>>(*made);
    runtime::MapObject& map = *user->object();
    if (names_others(map)) {
      unlinked_.push_back({restored_.files.size(), std::move(user), std::move(record->contents), record->frozen});
    } else {
      const auto filled = write_contents(process_, map, record->contents, {});
      if (!filled) return std::unexpected(filled.error());
      if (record->frozen) (void)map.freeze();
    }
    keep(file, *made, *record);
    return {};
  }

  // What an element names, the map's file names.
  void link(const Unlinked& one) {
    runtime::MapObject& map = *one.map->object();
    RestoredFile& file = restored_.files[one.file];
    const auto left_out = write_contents(process_, map, one.contents, [&](std::uint32_t number) {
      const Object* found = object(number);
      if (found != nullptr) file.names.push_back(number);
      return found;
    });
    if (one.frozen) (void)map.freeze();
    if (!left_out) say(file.file, left_out.error());
    if (left_out && *left_out != 0) {
      say(file.file, bad(fmt::format("{} elements name objects that are not there", *left_out)).error());
    }
  }

  Result<> make_pin(const PinFile& file, Bytes bytes) {
    auto record = unpack<PinRecord>(bytes);
    if (!record) return malformed();
    const Object* pinned = object(record->object);
    if (pinned == nullptr || !kept(*pinned)) {
      return bad(fmt::format("pins the object of file {}, which is not there", record->object));
    }
    const std::string& path = record->path;
    if (path.size() >= PATH_MAX || path.contains('\0') || normal_path("", path) != path) {
      return bad("holds no sound path");
    }
    make_parents(path);
    if (const long error = process_.files.pins().pin(path, *pinned); error != 0) {
      return bad(fmt::format("pins at {}: {}", path, std::strerror(static_cast<int>(-error))));
    }
    restored_.files.push_back({.file = file, .id = 0, .names = {record->object}, .path = std::move(record->path)});
    return {};
  }

  // Those that are there already are refused, which is no matter.
  void make_parents(const std::string& path) {
    const std::string& mount = process_.runtime.settings.bpffs_mount;
    if (!path.starts_with(mount + "/")) return;
    for (auto at = path.find('/', mount.size() + 1); at != std::string::npos; at = path.find('/', at + 1)) {
      (void)process_.files.pins().make_directory(path.substr(0, at));
    }
  }

  Process& process_;
  int directory_;
  const std::string& path_;
  std::map<std::uint32_t, Object> objects_;  // maps have their users here, until all pins are made
  std::vector<Unlinked> unlinked_;
  Restored restored_;
};

}  // namespace

Restored restore_pins(Process& process, int directory, const std::string& path, std::vector<PinFile> files) {
  return Restorer(process, directory, path).restore(std::move(files));
}

}  // namespace forager::syscall

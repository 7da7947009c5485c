// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_rebuild.h"

#include <bpf/btf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

#include "program/map_reference.h"
#include "syscall/bpf.h"
#include "syscall/value_fields.h"

namespace forager::syscall {
namespace {

using runtime::BtfObject;
using runtime::MapUser;
using runtime::ProgramObject;

constexpr std::size_t kLogBytes = std::size_t{1} << 16;

std::unexpected<Diagnostic> bad(std::string what) { return fail(ErrorKind::input, EINVAL, std::move(what)); }

UserAddress address_of(const void* pointer) { return reinterpret_cast<UserAddress>(pointer); }
std::uint32_t count_of(std::size_t count) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(count, UINT32_MAX));
}

// False if the name is too long for its field.
template <std::size_t size>
bool set_name(char (&field)[size], const std::string& name) {
  if (name.size() >= size) return false;
  std::ranges::copy(name, field);
  return true;
}

// Why a program was refused: what its log (verifier/verify.cc) says before it goes into particulars.
constexpr std::string_view kAfterReason[] = {"limit ", "the path there:", "hint: ", "stack depth ", "processed "};
std::string reason_in(std::string_view log) {
  std::string reason;
  while (!log.empty()) {
    const auto line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(line.size() + 1, log.size()));
    if (std::ranges::any_of(kAfterReason, [&](auto start) { return line.starts_with(start); })) break;
    if (!line.empty()) reason = line;
  }
  return reason;
}

// Descriptors in a file would name whatever this process has open.
bool names_maps_by_index(const ProgramRecord& record) {
  for (std::size_t i = 0; i < record.slots.size(); ++i) {
    const isa::Slot& slot = record.slots[i];
    if (slot.opcode != program::kWideOpcode) continue;
    const bool known =
        program::names_by_index(slot) && slot.imm >= 0 && static_cast<std::size_t>(slot.imm) < record.maps.size();
    if (program::is_map_reference(slot) && !known) return false;
    ++i;
  }
  return true;
}

// One object on its way: the attributes of its command, and the descriptors that they name.
class Rebuild {
 public:
  Rebuild(Process& process, const ObjectByNumber& object_of) : process_(process), object_of_(object_of) {
    std::memset(&attr_, 0, sizeof attr_);
  }

  Result<Object> make(const BtfRecord& record) {
    attr_.btf = address_of(record.types.data());
    attr_.btf_size = count_of(record.types.size());
    return take(call(BPF_BTF_LOAD), "holds no sound BTF");
  }

  Result<Object> make(const MapRecord& record) {
    if (!set_name(attr_.map_name, record.shape.name)) return bad("holds too long a name");
    attr_.map_type = record.shape.type;
    attr_.key_size = record.shape.key_size;
    attr_.value_size = record.shape.value_size;
    attr_.max_entries = record.shape.max_entries;
    attr_.map_flags = record.shape.flags;
    attr_.map_extra = record.shape.extra;
    attr_.btf_key_type_id = record.key_type;
    attr_.btf_value_type_id = record.value_type;
    auto ready = lend<BtfObject>(record.btf, attr_.btf_fd);
    if (ready && record.has_example) ready = lend_example(record.example);
    if (!ready) return std::unexpected(ready.error());
    return take(call(BPF_MAP_CREATE), "holds a map that cannot be");
  }

  Result<Object> make(const ProgramRecord& record) {
    if (!set_name(attr_.prog_name, record.name)) return bad("holds too long a name");
    if (!names_maps_by_index(record)) return bad("holds instructions that name no map of the program");
    std::vector<std::uint32_t> fds(record.maps.size());
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (auto lent = lend<MapUser>(record.maps[i], fds[i]); !lent) return std::unexpected(lent.error());
    }
    std::uint32_t btf_fd = 0;
    if (auto lent = lend<BtfObject>(record.btf, btf_fd); !lent) return std::unexpected(lent.error());
    describe(record, fds, btf_fd);
    auto loaded = load();
    if (auto bound = loaded ? bind(*loaded, record.also_bound) : Result<>(); !bound) {
      return std::unexpected(bound.error());
    }
    return loaded;
  }

 private:
  // A descriptor of the object with this number, which must be a T; 0 stands for none.
  template <class T, class Field>
  Result<> lend(std::uint32_t number, Field& fd) {
    if (number == 0) return {};
    const auto object = find<T>(number);
    if (!object) return std::unexpected(object.error());
    fd = lent_.emplace_back(process_.fds, **object).number();
    return {};
  }
  template <class T>
  Result<const Object*> find(std::uint32_t number) const {
    const Object* object = object_of_(number);
    if (object != nullptr && std::holds_alternative<std::shared_ptr<T>>(*object)) return object;
    return fail(ErrorKind::input, ENOENT, fmt::format("needs the object of file {}, which is not there", number));
  }

  // The BTF that gave an example's values their fields is not kept with it, so these are checked by themselves.
  Result<> lend_example(const ShapeRecord& shape) {
    program::MapSpec spec{.type = static_cast<isa::MapType>(shape.type),
                          .key_size = shape.key_size,
                          .value_size = shape.value_size,
                          .max_entries = shape.max_entries,
                          .flags = shape.flags,
                          .extra = shape.extra,
                          .name = shape.name,
                          .fields = shape.fields,
                          .inner = nullptr,
                          .frozen = nullptr};
    if (!possible_fields(spec)) return bad("holds an example with impossible fields");
    auto map = process_.runtime.create_map(spec);
    if (!map) return bad("holds an example that cannot be: " + map.error().text());
    attr_.inner_map_fd = lent_.emplace_back(process_.fds, std::make_shared<MapUser>(std::move(*map))).number();
    return {};
  }

  void describe(const ProgramRecord& record, const std::vector<std::uint32_t>& fds, std::uint32_t btf_fd) {
    attr_.prog_type = record.type;
    attr_.expected_attach_type = record.attach_type;
    attr_.insns = address_of(record.slots.data());
    attr_.insn_cnt = count_of(record.slots.size());
    attr_.license = address_of(record.gpl_compatible ? "GPL" : "Proprietary");
    attr_.prog_flags = record.xdp_has_frags ? BPF_F_XDP_HAS_FRAGS : 0;
    attr_.fd_array = address_of(fds.data());
    attr_.prog_btf_fd = btf_fd;
    attr_.func_info = address_of(record.functions.data());
    attr_.func_info_rec_size = sizeof(bpf_func_info);
    attr_.func_info_cnt = count_of(record.functions.size() / sizeof(bpf_func_info));
    attr_.line_info = address_of(record.lines.data());
    attr_.line_info_rec_size = sizeof(bpf_line_info);
    attr_.line_info_cnt = count_of(record.lines.size() / sizeof(bpf_line_info));
  }

  // A second time only if it fails: for the reason.
  Result<Object> load() {
    const long fd = call(BPF_PROG_LOAD);
    if (fd >= 0) return take(fd, "holds a program");
    std::string log(kLogBytes, '\0');
    attr_.log_level = 1;
    attr_.log_buf = address_of(log.data());
    attr_.log_size = kLogBytes;
    (void)call(BPF_PROG_LOAD);
    return take(fd, fmt::format("holds a program that does not load ({})", reason_in(log.c_str())));
  }

  Result<> bind(const Object& program, const std::vector<std::uint32_t>& maps) const {
    for (const std::uint32_t number : maps) {
      const auto map = find<MapUser>(number);
      if (!map) return std::unexpected(map.error());
      std::get<std::shared_ptr<ProgramObject>>(program)->bind_also(std::get<std::shared_ptr<MapUser>>(**map)->object());
    }
    return {};
  }

  long call(int command) { return bpf(process_, command, &attr_, sizeof attr_); }

  // The object of a new descriptor; of a negative errno, `what` went wrong.
  Result<Object> take(long fd, const std::string& what) {
    if (fd >= 0) {
      auto object = process_.fds.find(static_cast<int>(fd));
      (void)process_.fds.close(static_cast<int>(fd));
      if (object) return std::move(*object);
      fd = object.error();
    }
    return fail(ErrorKind::input, static_cast<int>(-fd), what + ": " + std::strerror(static_cast<int>(-fd)));
  }

  Process& process_;
  const ObjectByNumber& object_of_;
  bpf_attr attr_;
  std::vector<LentFd> lent_;
};

}  // namespace

Result<Object> rebuild(Process& process, const BtfRecord& record, const ObjectByNumber& object_of) {
  return Rebuild(process, object_of).make(record);
}
Result<Object> rebuild(Process& process, const MapRecord& record, const ObjectByNumber& object_of) {
  return Rebuild(process, object_of).make(record);
}
Result<Object> rebuild(Process& process, const ProgramRecord& record, const ObjectByNumber& object_of) {
  return Rebuild(process, object_of).make(record);
}

std::vector<std::uint32_t> needs_of(const BtfRecord&) { return {}; }
std::vector<std::uint32_t> needs_of(const MapRecord& record) {
  return record.btf != 0 ? std::vector{record.btf} : std::vector<std::uint32_t>();
}
std::vector<std::uint32_t> needs_of(const ProgramRecord& record) {
  std::vector<std::uint32_t> needs = record.maps;
  std::ranges::copy(record.also_bound, std::back_inserter(needs));
  if (record.btf != 0) needs.push_back(record.btf);
  return needs;
}

}  // namespace forager::syscall

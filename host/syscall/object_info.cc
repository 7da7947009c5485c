// SPDX-License-Identifier: Apache-2.0
//
// BPF_OBJ_GET_INFO_BY_FD. The structures grow with every kernel, so both sides say how much they know: what the caller
// has and we do not must be zero, what we have and the caller does not is left out, and info_len says what was written.
#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "program/map_reference.h"
#include "syscall/commands.h"
#include "syscall/info_array.h"
#include "syscall/jited_info.h"
#include "syscall/link_info.h"

namespace forager::syscall {
namespace {

// Reads the caller's structure (its fields say which arrays are wanted, and how large they may be), lets `fill` change
// it, and writes it back. fill returns 0 or a negative errno.
template <class Info, class Fill>
long exchange(const Call& call, Fill fill) {
  const auto& asked = call.attr.info;
  if (const long error = check_tail_zero(asked.info, sizeof(Info), asked.info_len); error != 0) return error;
  const auto length = std::min<std::uint32_t>(sizeof(Info), asked.info_len);
  Info info;
  std::memset(&info, 0, sizeof info);
  if (const long error = copy_from_user(&info, asked.info, length); error != 0) return error;
  if (const long error = fill(info); error != 0) return error;
  if (const long error = copy_to_user(asked.info, &info, length); error != 0) return error;
  return put_user(call.user_attr + offsetof(bpf_attr, info.info_len), length);
}

template <std::size_t size>
void set_name(char (&field)[size], const std::string& name) {
  std::memset(field, 0, size);
  std::memcpy(field, name.data(), std::min(name.size(), size - 1));
}

std::uint32_t btf_id_of(const std::shared_ptr<const runtime::BtfObject>& btf) { return btf ? btf->id : 0; }

// ---- programs ------------------------------------------------------------------------------------------------------

// The instructions as others may see them: maps by id.
std::vector<isa::Slot> slots_for_others(const runtime::ProgramObject& program) {
  std::vector<isa::Slot> slots = program.source().slots;
  for (std::size_t i = 0; i + 1 < slots.size(); ++i) {
    if (!program::is_map_reference(slots[i])) continue;
    slots[i].src = program::names_value(slots[i]) ? program::kSrcMapValue : program::kSrcMapFd;
    slots[i].imm = static_cast<std::int32_t>(program.maps[static_cast<std::uint32_t>(slots[i].imm)]->id);
    ++i;
  }
  return slots;
}

std::vector<std::uint32_t> map_ids(const runtime::ProgramObject& program) {
  std::vector<std::uint32_t> ids;
  for (const auto& map : program.all_maps()) ids.push_back(map->id);
  return ids;
}

long fill_debug(bpf_prog_info& info, const runtime::DebugInfo& debug) {
  info.btf_id = btf_id_of(debug.btf);
  info.func_info_rec_size = debug.function_count != 0 ? sizeof(bpf_func_info) : 0;
  info.line_info_rec_size = debug.line_count != 0 ? sizeof(bpf_line_info) : 0;
  const auto* functions = reinterpret_cast<const bpf_func_info*>(debug.functions.data());
  const auto* lines = reinterpret_cast<const bpf_line_info*>(debug.lines.data());
  if (const long error = put_array(info.func_info, info.nr_func_info, functions, debug.function_count); error != 0) {
    return error;
  }
  return put_array(info.line_info, info.nr_line_info, lines, debug.line_count);
}

long fill(bpf_prog_info& info, const runtime::ProgramObject& program) {
  info.type = static_cast<std::uint32_t>(program.type());
  info.id = program.id;
  info.load_time = program.load_time_ns;
  info.created_by_uid = program.created_by;
  info.gpl_compatible = program.source().gpl_compatible ? 1 : 0;
  info.verified_insns = static_cast<std::uint32_t>(program.verified_instructions);
  info.run_cnt = program.run_count;
  info.run_time_ns = program.run_time_ns;
  std::ranges::copy(program.tag, info.tag);
  set_name(info.name, program.name());

  const auto ids = map_ids(program);
  if (const long error = put_array(info.map_ids, info.nr_map_ids, ids.data(), ids.size()); error != 0) return error;
  const auto slots = slots_for_others(program);
  const auto* bytes = reinterpret_cast<const std::byte*>(slots.data());
  const long error = put_array(info.xlated_prog_insns, info.xlated_prog_len, bytes, slots.size() * sizeof(isa::Slot));
  return error != 0 ? error : fill_debug(info, program.debug);
}

// ---- maps, BTF, links ----------------------------------------------------------------------------------------------

long fill(bpf_map_info& info, const runtime::MapObject& map) {
  const program::MapSpec& spec = map.spec();
  std::memset(&info, 0, sizeof info);
  info.type = static_cast<std::uint32_t>(spec.type);
  info.id = map.id;
  info.key_size = spec.key_size;
  info.value_size = spec.value_size;
  info.max_entries = spec.max_entries;
  info.map_flags = spec.flags & ~unsigned{BPF_F_RDONLY | BPF_F_WRONLY};  // the descriptor's, not the map's
  info.map_extra = spec.extra;
  set_name(info.name, spec.name);
  info.btf_id = btf_id_of(map.btf.object);
  info.btf_key_type_id = map.btf.key_type;
  info.btf_value_type_id = map.btf.value_type;
  return 0;
}

long fill(bpf_btf_info& info, const runtime::BtfObject& btf) {
  info.id = btf.id;
  info.kernel_btf = 0;
  if ((info.name == 0) != (info.name_len == 0)) return -EINVAL;
  const char* no_name = "";  // only the kernel's own BTF has one
  std::uint32_t name_room = std::exchange(info.name_len, 0);
  if (const long error = put_array(info.name, name_room, no_name, info.name == 0 ? 0 : 1); error != 0) return error;
  return put_array(info.btf, info.btf_size, btf.bytes.data(), btf.bytes.size());
}

long fill(LinkInfo& info, const runtime::LinkObject& link) { return fill_link_info(info, link); }

// ---- which of them -------------------------------------------------------------------------------------------------

struct InfoOf {
  const Call& call;

  template <class Info, class T>
  [[nodiscard]] long answer(const T& object) const {
    return exchange<Info>(call, [&](Info& info) { return fill(info, object); });
  }
  long operator()(const std::shared_ptr<runtime::MapUser>& map) const { return answer<bpf_map_info>(*map->object()); }
  long operator()(const std::shared_ptr<runtime::ProgramObject>& program) const {
    return exchange<bpf_prog_info>(call, [&](bpf_prog_info& info) {
      const long error = fill(info, *program);
      return error != 0 ? error : fill_jited(info, call.runtime(), *program);
    });
  }
  long operator()(const std::shared_ptr<runtime::BtfObject>& btf) const { return answer<bpf_btf_info>(*btf); }
  long operator()(const std::shared_ptr<runtime::LinkObject>& link) const { return answer<LinkInfo>(*link); }
  template <class T>
  long operator()(const std::shared_ptr<T>&) const {
    return -EINVAL;
  }
};

}  // namespace

long object_info(const Call& call) {
  const auto object = call.fds().find(static_cast<int>(call.attr.info.bpf_fd));
  return object ? std::visit(InfoOf{call}, *object) : object.error();
}

}  // namespace forager::syscall

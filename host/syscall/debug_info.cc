// SPDX-License-Identifier: Apache-2.0
#include "syscall/debug_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "syscall/btf.h"
#include "syscall/signature.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxRecordBytes = 252;  // Linux's MAX_FUNCINFO_REC_SIZE and MAX_LINEINFO_REC_SIZE

// Records of a caller whose structure may be longer than ours; the rest must be zero.
template <class Record>
Errno<std::vector<Record>> read_records(UserAddress at, std::uint32_t count, std::uint32_t record_bytes) {
  if (record_bytes < sizeof(Record) || record_bytes > kMaxRecordBytes || record_bytes % sizeof(__u32) != 0) {
    return std::unexpected(-EINVAL);
  }
  const auto bytes = read_user(at, std::size_t{count} * record_bytes);
  if (!bytes) return std::unexpected(bytes.error());
  std::vector<Record> records(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto record = std::span(*bytes).subspan(i * record_bytes, record_bytes);
    if (std::ranges::any_of(record.subspan(sizeof(Record)), [](std::byte b) { return b != std::byte{0}; })) {
      return std::unexpected(-E2BIG);
    }
    std::memcpy(&records[i], record.data(), sizeof(Record));
  }
  return records;
}

template <class Record>
std::vector<std::byte> raw(const std::vector<Record>& records) {
  const auto bytes = std::as_bytes(std::span(records));
  return {bytes.begin(), bytes.end()};
}

class Reader {
 public:
  Reader(const Call& call, program::Source& source, std::string& log)
      : call_(call), attr_(call.attr), source_(source), log_(log) {}

  Errno<runtime::DebugInfo> read() {
    runtime::DebugInfo info;
    if (attr_.func_info_cnt == 0 && attr_.line_info_cnt == 0) return info;
    auto object = call_.fds().find<runtime::BtfObject>(static_cast<int>(attr_.prog_btf_fd));
    if (!object) return std::unexpected(object.error());
    types_ = (*object)->parsed.get();
    info.btf = std::move(*object);
    if (const long error = read_functions(info); error != 0) return std::unexpected(error);
    if (const long error = read_lines(info); error != 0) return std::unexpected(error);
    return info;
  }

 private:
  long read_functions(runtime::DebugInfo& info) {
    if (attr_.func_info_cnt == 0) return 0;
    if (attr_.func_info_cnt > source_.slots.size()) return -EINVAL;
    const auto records = read_records<bpf_func_info>(attr_.func_info, attr_.func_info_cnt, attr_.func_info_rec_size);
    if (!records) return records.error();
    for (const bpf_func_info& record : *records) {
      if (const long error = add_function(record); error != 0) return error;
    }
    info.functions = raw(*records);
    info.function_count = attr_.func_info_cnt;
    return 0;
  }

  long add_function(const bpf_func_info& record) {
    const bool first = source_.functions.empty();
    if (first ? record.insn_off != 0 : record.insn_off <= source_.functions.back().slot) {
      return refuse("func_info: offset {} is out of order", record.insn_off);
    }
    const btf_type* type = btf__type_by_id(types_, record.type_id);
    if (type == nullptr || !btf_is_func(type)) return refuse("invalid type id {} in func info", record.type_id);
    program::FunctionInfo function{
        .slot = record.insn_off, .name = text_at(type->name_off), .btf_type = record.type_id};
    read_signature(*types_, source_.type, function);
    source_.functions.push_back(std::move(function));
    return 0;
  }

  long read_lines(runtime::DebugInfo& info) {
    if (attr_.line_info_cnt == 0) return 0;
    if (attr_.line_info_cnt > source_.slots.size()) return -EINVAL;
    const auto records = read_records<bpf_line_info>(attr_.line_info, attr_.line_info_cnt, attr_.line_info_rec_size);
    if (!records) return records.error();
    for (const bpf_line_info& record : *records) {
      if (const long error = add_line(record); error != 0) return error;
    }
    info.lines = raw(*records);
    info.line_count = attr_.line_info_cnt;
    return 0;
  }

  long add_line(const bpf_line_info& record) {
    const bool first = source_.lines.empty();
    if (record.insn_off >= source_.slots.size() || (!first && record.insn_off <= source_.lines.back().slot)) {
      return refuse("Invalid line_info[{}].insn_off:{}", source_.lines.size(), record.insn_off);
    }
    if (source_.slots[record.insn_off].opcode == 0) {
      return refuse("Invalid insn code at line_info[{}].insn_off", source_.lines.size());
    }
    if (btf__str_by_offset(types_, record.line_off) == nullptr ||
        btf__str_by_offset(types_, record.file_name_off) == nullptr) {
      return refuse("Invalid line_info[{}].line_off or .file_name_off", source_.lines.size());
    }
    source_.lines.push_back({record.insn_off, text_at(record.file_name_off), BPF_LINE_INFO_LINE_NUM(record.line_col),
                             BPF_LINE_INFO_LINE_COL(record.line_col), trimmed(text_at(record.line_off))});
    return 0;
  }

  std::string text_at(std::uint32_t offset) const { return btf__str_by_offset(types_, offset); }

  static std::string trimmed(const std::string& text) {
    const auto begin = text.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
  }

  template <class... Arguments>
  long refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    log_ += fmt::format(format, std::forward<Arguments>(arguments)...) + "\n";
    return -EINVAL;
  }

  const Call& call_;
  const bpf_attr& attr_;
  program::Source& source_;
  std::string& log_;
  const ::btf* types_ = nullptr;
};

}  // namespace

Errno<runtime::DebugInfo> read_debug_info(const Call& call, program::Source& source, std::string& log) {
  return Reader(call, source, log).read();
}

}  // namespace forager::syscall

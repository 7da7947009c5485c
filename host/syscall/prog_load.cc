// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_LOAD: from the caller's attributes to a verified program. The order of the checks is the kernel's
// (kernel/bpf/syscall.c bpf_prog_load, then bpf_check), so that a call with two mistakes gets the same answer.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "isa/tables.h"
#include "program/map_reference.h"
#include "syscall/commands.h"
#include "syscall/debug_info.h"
#include "syscall/kernel_types.h"
#include "syscall/log.h"

namespace forager::syscall {
namespace {

using isa::ProgType;

constexpr unsigned kKnownFlags = BPF_F_STRICT_ALIGNMENT | BPF_F_ANY_ALIGNMENT | BPF_F_TEST_STATE_FREQ |
                                 BPF_F_SLEEPABLE | BPF_F_TEST_RND_HI32 | BPF_F_XDP_HAS_FRAGS;
constexpr std::size_t kMaxLicence = 128;  // with its end
constexpr std::size_t kMaxMaps = 64;      // Linux's MAX_USED_MAPS

// include/linux/license.h
constexpr std::string_view kGplCompatible[] = {"GPL",          "GPL v2",       "GPL and additional rights",
                                               "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};

// Types whose expected attach type must be one of theirs; the others' is not looked at.
constexpr ProgType kAttachChecked[] = {ProgType::cgroup_sock,    ProgType::cgroup_sock_addr, ProgType::cgroup_skb,
                                       ProgType::cgroup_sockopt, ProgType::sk_lookup,        ProgType::sk_reuseport,
                                       ProgType::netfilter};

class Loader {
 public:
  explicit Loader(const Call& call) : call_(call), attr_(call.attr) {}

  long load() {
    constexpr long (Loader::* kSteps[])() = {&Loader::check_flags,      &Loader::read_licence, &Loader::check_size,
                                             &Loader::read_attach_type, &Loader::read_slots,   &Loader::read_name,
                                             &Loader::open_log};
    for (const auto step : kSteps) {
      if (const long error = (this->*step)(); error != 0) return error;
    }
    const long result = verify();
    const long logged = log_.write(text_);
    if (logged == 0) return result;
    if (result >= 0) (void)call_.fds().close(static_cast<int>(result));  // a program without its log is no success
    return logged;
  }

 private:
  long check_flags() {
    const bool iterator = attr_.prog_type == BPF_PROG_TYPE_TRACING && attr_.expected_attach_type == BPF_TRACE_ITER;
    const bool for_kernel_code =
        (attr_.attach_btf_id != 0 && !iterator) || attr_.attach_prog_fd != 0 || attr_.core_relo_cnt != 0;
    if ((attr_.prog_flags & ~kKnownFlags) != 0 || for_kernel_code || attr_.prog_ifindex != 0) return -EINVAL;
    request_.source.xdp_has_frags = (attr_.prog_flags & BPF_F_XDP_HAS_FRAGS) != 0;
    request_.verify.strict_alignment = (attr_.prog_flags & BPF_F_STRICT_ALIGNMENT) != 0;
    request_.verify.test_state_freq = (attr_.prog_flags & BPF_F_TEST_STATE_FREQ) != 0;
    return 0;
  }

  long read_licence() {
    const auto licence = read_user_string(attr_.license, kMaxLicence);
    if (!licence) return licence.error();
    request_.source.gpl_compatible = std::ranges::find(kGplCompatible, *licence) != std::end(kGplCompatible);
    return 0;
  }

  long check_size() { return attr_.insn_cnt == 0 || attr_.insn_cnt > isa::kMaxInstructions ? -E2BIG : 0; }

  long read_attach_type() {
    const isa::ProgTypeRow* row = isa::find_prog_type(attr_.prog_type);
    if (row == nullptr) return -EINVAL;
    request_.source.type = row->type;
    request_.source.attach_type = attr_.expected_attach_type;
    if (std::ranges::find(kAttachChecked, row->type) == std::end(kAttachChecked)) return 0;
    // Two types had programs before they had attach types: zero means what it meant then.
    if (attr_.expected_attach_type == 0 && row->type == ProgType::cgroup_sock) {
      request_.source.attach_type = BPF_CGROUP_INET_SOCK_CREATE;
    }
    if (attr_.expected_attach_type == 0 && row->type == ProgType::sk_reuseport) {
      request_.source.attach_type = BPF_SK_REUSEPORT_SELECT;
    }
    const isa::AttachRow* attach = isa::find_attach(request_.source.attach_type);
    return attach != nullptr && (attach->program_types & isa::set_of(row->type)) != 0 ? 0 : -EINVAL;
  }

  long read_slots() {
    auto& slots = request_.source.slots;
    const std::size_t bytes = std::size_t{attr_.insn_cnt} * sizeof(isa::Slot);
    const auto data = read_user(attr_.insns, bytes);
    if (!data) return data.error();
    slots.resize(attr_.insn_cnt);
    std::memcpy(slots.data(), data->data(), bytes);
    return 0;
  }

  long read_name() {
    auto name = object_name(attr_.prog_name);
    if (!name) return name.error();
    request_.source.name = std::move(*name);
    return 0;
  }

  long open_log() {
    constexpr std::size_t kTrueSize = offsetof(bpf_attr, core_relo_rec_size) + sizeof(__u32);  // a field since 6.4
    log_ = {.level = attr_.log_level,
            .size = attr_.log_size,
            .buffer = attr_.log_buf,
            .true_size = call_.size >= kTrueSize + sizeof(__u32) ? call_.user_attr + kTrueSize : 0};
    request_.verify.log_level = attr_.log_level;
    return log_.check();
  }

  // From here on what is wrong is said in the log.
  long verify() {
    auto debug = read_debug_info(call_, request_.source, text_);
    if (!debug) return debug.error();
    request_.debug = std::move(*debug);
    if (const long error = resolve_iterator(); error != 0) return error;
    if (const long error = resolve_maps(); error != 0) return error;

    verifier::Report report;
    auto program = call_.runtime().load_program(std::move(request_), &report);
    text_ += report.log;
    if (program) return call_.fds().install(std::move(*program));
    const Diagnostic& why = program.error();
    if (text_.find(why.message) == std::string::npos) text_ += why.text() + "\n";
    return why.error != 0 ? -why.error : -EINVAL;
  }

  // What the program visits: named by the number of a function in the BTF of the machine's kernel.
  long resolve_iterator() {
    if (attr_.attach_btf_id == 0) return 0;
    const auto types = kernel_types();
    if (types == nullptr) return refuse(-EINVAL, "there is no BTF of a kernel to look attach_btf_id up in").error();
    const auto name = function_name(*types, attr_.attach_btf_id, text_);
    if (!name) return name.error();
    request_.source.iterator = isa::find_iterator(*name);
    request_.source.members = kernel_members(*types);
    if (request_.source.iterator != nullptr) return 0;
    return refuse(-EINVAL, fmt::format("{} is no iterator that there is here", *name)).error();
  }

  // Descriptors become indices into the program's maps.
  long resolve_maps() {
    auto& slots = request_.source.slots;
    for (std::size_t i = 0; i + 1 < slots.size(); ++i) {
      if (slots[i].opcode != program::kWideOpcode) continue;
      if (program::is_map_reference(slots[i])) {
        const auto index = resolve_map(slots[i]);
        if (!index) return index.error();
        slots[i].src = program::names_value(slots[i]) ? program::kSrcMapIndexValue : program::kSrcMapIndex;
        slots[i].imm = static_cast<std::int32_t>(*index);
      }
      ++i;
    }
    return 0;
  }

  Errno<std::size_t> resolve_map(const isa::Slot& slot) {
    std::int32_t fd = slot.imm;
    if (program::names_by_index(slot)) {
      if (attr_.fd_array == 0) return refuse(-EPROTO, "fd_idx without fd_array is invalid");
      const auto entry = attr_.fd_array + static_cast<std::uint64_t>(slot.imm) * sizeof fd;
      if (const long error = copy_from_user(&fd, entry, sizeof fd); error != 0) return std::unexpected(error);
    }
    auto user = call_.fds().find<runtime::MapUser>(fd);
    if (!user) return refuse(user.error(), fmt::format("fd {} is not pointing to valid bpf_map", fd));
    return index_of((*user)->object());
  }

  Errno<std::size_t> index_of(const std::shared_ptr<runtime::MapObject>& map) {
    auto& maps = request_.maps;
    const auto at = std::ranges::find(maps, map);
    if (at != maps.end()) return static_cast<std::size_t>(at - maps.begin());
    if (maps.size() == kMaxMaps)
      return refuse(-E2BIG, fmt::format("The total number of maps per program has reached the limit of {}", kMaxMaps));
    maps.push_back(map);
    return maps.size() - 1;
  }

  std::unexpected<long> refuse(long error, const std::string& why) {
    text_ += why + "\n";
    return std::unexpected(error);
  }

  const Call& call_;
  const bpf_attr& attr_;
  runtime::ProgramRequest request_;
  LogBuffer log_;
  std::string text_;
};

}  // namespace

long prog_load(const Call& call) { return Loader(call).load(); }

}  // namespace forager::syscall

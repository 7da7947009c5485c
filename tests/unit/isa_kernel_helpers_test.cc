// SPDX-License-Identifier: Apache-2.0
//
// helpers.def against the running kernel: who may call a helper, under which licence, with which arguments and maps,
// and whether it moves the packet.
//
// For arguments, a program is made that passes exactly what the row asks for; Linux must accept it. Then each argument
// in turn becomes something that the row does not allow (an unset register, a number where a pointer is due, another
// pointer where the context is due); Linux must refuse. Rows whose arguments need objects that cannot be made in a few
// instructions (kernel structures, callbacks, timers) are left to their availability.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "kernel_verifier.h"

namespace forager::isa::test {
namespace {

// ---- divergences: where the kernel differs from the tables, and why that is right --------------------------------

// Helpers that a kernel of the tables' version may lack, by the option or setting that gives them.
constexpr std::pair<std::string_view, std::string_view> kMayBeAbsent[] = {
    {"probe_write_user", "lockdown of writes to user memory"},
    {"override_return", "CONFIG_BPF_KPROBE_OVERRIDE"},
    {"skb_get_xfrm_state", "CONFIG_XFRM"},
    {"get_route_realm", "CONFIG_IP_ROUTE_CLASSID"},
    {"lwt_seg6_store_bytes", "CONFIG_IPV6_SEG6_BPF"},
    {"lwt_seg6_adjust_srh", "CONFIG_IPV6_SEG6_BPF"},
    {"lwt_seg6_action", "CONFIG_IPV6_SEG6_BPF"},
    {"skb_cgroup_id", "CONFIG_SOCK_CGROUP_DATA"},
    {"skb_ancestor_cgroup_id", "CONFIG_SOCK_CGROUP_DATA"},
};

// Helpers that only some attach types of a program type have; the tables speak of program types.
constexpr std::pair<ProgType, std::string_view> kOnlyAtSomePlaces[] = {
    {ProgType::cgroup_sock_addr, "bind"},       {ProgType::cgroup_sock_addr, "get_retval"},
    {ProgType::cgroup_sock_addr, "set_retval"}, {ProgType::cgroup_sockopt, "setsockopt"},
    {ProgType::cgroup_sockopt, "getsockopt"},
};

// Linux has a second prototype of get_stackid for perf events, which is not GPL-only.
constexpr std::pair<ProgType, std::string_view> kOtherLicence[] = {{ProgType::perf_event, "get_stackid"}};

template <class Table, class Key>
bool listed(const Table& table, const Key& key) {
  return std::ranges::find(table, key) != std::end(table);
}
bool may_be_absent(const HelperRow& helper) {
  return std::ranges::any_of(kMayBeAbsent, [&](const auto& entry) { return entry.first == helper.name; });
}

// ---- programs ----------------------------------------------------------------------------------------------------

struct Caller {
  const ProgTypeRow* row;
  std::uint32_t place;
  [[nodiscard]] std::int32_t result() const { return static_cast<std::int32_t>(return_range(*row, place).min); }
  [[nodiscard]] Answer ask(std::span<const Slot> code, const char* licence = "GPL") const {
    return test::ask({.type = row->type, .attach_type = place, .code = code, .licence = licence});
  }
  [[nodiscard]] std::string name() const { return fmt::format("{} at {}", row->name, place); }
};

std::vector<Caller> callers() {
  std::vector<Caller> out;
  for (const ProgTypeRow& row : prog_types()) {
    for (const std::uint32_t place : places(row.type)) {
      if (loads(row.type, place)) out.push_back({&row, place});
    }
  }
  return out;
}

bool has(const Caller& caller, const HelperRow& helper) {
  return (helper.program_types & set_of(caller.row->type)) != 0;
}

void append(Code& code, std::initializer_list<Slot> more) { code.insert(code.end(), more); }

// One small map of each type, open for the length of the test.
class Maps {
 public:
  Maps() {
    for (const MapRow& row : maps()) fds_[row.type] = create_map(row.type, row.needed_flags);
  }
  ~Maps() {
    for (const auto& [type, fd] : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;

  [[nodiscard]] std::optional<int> fd(MapType type) const {
    const int fd = fds_.at(type);
    return fd >= 0 ? std::optional(fd) : std::nullopt;
  }
  // Some map that the helper takes.
  [[nodiscard]] std::optional<int> any_for(const HelperRow& helper) const {
    for (const auto& [type, fd] : fds_) {
      if ((helper.map_types >> static_cast<unsigned>(type) & 1) != 0 && fd >= 0) return fd;
    }
    return std::nullopt;
  }

 private:
  std::map<MapType, int> fds_;
};

constexpr unsigned kContext = 6, kPacket = 7;  // callee-saved homes
constexpr int kArea = -256, kOut = -128, kAreaBytes = 64;

// r6 = context, and zeroed bytes on the stack for arguments to point at.
Code prologue() {
  Code code = {copy(kContext, 1), mov(0, 0)};
  for (int at = 0; at < kAreaBytes; at += 8) append(code, {store(8, 10, kArea + at, 0)});
  append(code, {store(8, 10, kOut, 0), mov(1, 0)});
  return code;
}

Code stack_pointer(unsigned reg, int offset) { return {copy(reg, 10), add(reg, offset)}; }
Code map_pointer(unsigned reg, int fd) {
  return {{.opcode = 0x18, .dst = static_cast<std::uint8_t>(reg & 0xf), .src = 1, .imm = fd}, {}};
}

// Instructions that put a fitting value in the register, or nothing where the kind needs more than a few instructions.
std::optional<Code> fitting(Arg kind, unsigned reg, std::optional<int> map) {
  switch (kind) {
    case Arg::anything:
      return Code{mov(reg, 0)};
    case Arg::const_map:
      return map ? std::optional(map_pointer(reg, *map)) : std::nullopt;
    case Arg::map_key:
    case Arg::map_value:
    case Arg::map_value_or_null:
    case Arg::mem:
    case Arg::mem_or_null:
    case Arg::ipv4_header:
    case Arg::ipv6_header:
    case Arg::tcp_header:
      return stack_pointer(reg, kArea);
    case Arg::map_value_uninit:
    case Arg::mem_uninit:
    case Arg::mem_update:
    case Arg::mem_out:
    case Arg::mem_out_or_null:
      return stack_pointer(reg, kArea);
    case Arg::const_size:
    case Arg::const_size_or_zero:
      return Code{mov(reg, 16)};
    case Arg::const_alloc_size:
      return Code{mov(reg, 8)};
    case Arg::ctx:
    case Arg::ctx_or_null:
      return Code{copy(reg, kContext)};
    case Arg::long_out:
    case Arg::int_out:
      return stack_pointer(reg, kOut);
    default:
      return std::nullopt;
  }
}

// Values that must not pass for the kind, by name.
std::vector<std::pair<const char*, Code>> unfitting(Arg kind, unsigned reg) {
  switch (kind) {
    case Arg::anything:
      return {};
    case Arg::const_size:
      return {{"size 0", {mov(reg, 0)}}, {"size -1", {mov(reg, -1)}}};
    case Arg::const_size_or_zero:
      return {{"size -1", {mov(reg, -1)}}};
    case Arg::const_alloc_size:
      return {{"a pointer", {copy(reg, 10)}}};
    case Arg::mem_or_null:
    case Arg::mem_out_or_null:
    case Arg::map_value_or_null:
      return {{"the number 1", {mov(reg, 1)}}};
    case Arg::ctx_or_null:
      return {{"a stack pointer", stack_pointer(reg, kArea)}};
    case Arg::ctx:
      return {{"a stack pointer", stack_pointer(reg, kArea)}, {"0", {mov(reg, 0)}}};
    default:
      return {{"0", {mov(reg, 0)}}, {"the context", {copy(reg, kContext)}}};
  }
}

// What must follow the call: acquired sockets and records are given back.
Code release(Ret returns) {
  constexpr std::uint32_t kSkRelease = 86, kRingbufDiscard = 133;
  switch (returns) {
    case Ret::socket_or_null:
    case Ret::socket_common_or_null:
      return {{.opcode = 0x15, .dst = 0, .offset = 2, .imm = 0}, copy(1, 0), call(kSkRelease)};
    case Ret::record_or_null:
      return {{.opcode = 0x15, .dst = 0, .offset = 3, .imm = 0}, copy(1, 0), mov(2, 0), call(kRingbufDiscard)};
    default:
      return {};
  }
}

// The call with fitting arguments, except that argument `odd`, if given, is `value`.
std::optional<Code> call_with(const HelperRow& helper, const Caller& caller, std::optional<int> map, int odd = -1,
                              const Code& value = {}) {
  Code code;
  const auto args = helper_args(helper, caller.row->type);
  for (unsigned i = 0; i < args.size() && args[i] != Arg::none; ++i) {
    const auto setup = static_cast<int>(i) == odd ? std::optional(value) : fitting(args[i], i + 1, map);
    if (!setup) return std::nullopt;
    code.insert(code.end(), setup->begin(), setup->end());
  }
  append(code, {call(helper.id)});
  const Code after = release(helper.returns);
  code.insert(code.end(), after.begin(), after.end());
  return code;
}

Code whole(const Code& body, const Caller& caller) {
  Code code = prologue();
  code.insert(code.end(), body.begin(), body.end());
  append(code, {mov(0, caller.result()), leave()});
  return code;
}

// Map types that a sleepable program may use, for those of their helpers that the tests can call.
constexpr MapTypeSet sleepable_maps() {
  MapTypeSet set = 0;
  for (const MapType type : {MapType::hash, MapType::array, MapType::ringbuf, MapType::percpu_array}) {
    set |= MapTypeSet{1} << static_cast<unsigned>(type);
  }
  return set;
}

// Calls that Linux refuses for reasons other than their arguments' kinds.
bool out_of_reach(const HelperRow& helper, const Caller& caller) {
  static const std::set<std::string_view> kSpecial = {
      "copy_from_user",    "copy_from_user_task",  // only in sleepable programs
      "get_local_storage",                         // its map must be bound to a cgroup first
      "sk_fullsock",       "tcp_sock",
      "get_listener_sock",  // their result is no reference that is given back
      "trace_printk",       // wants a format string; tested by itself
      "dynptr_from_mem",    // wants a map value, not the stack
      "tcp_send_ack",
  };
  const bool no_release = helper.returns == Ret::socket_common_or_null || helper.returns == Ret::socket_or_null;
  // Sleepable programs, which SYSCALL programs are, may use no maps but those that do not need RCU.
  const bool sleeps =
      caller.row->type == ProgType::syscall && helper.map_types != 0 && (helper.map_types & sleepable_maps()) == 0;
  return kSpecial.contains(helper.name) || sleeps || (no_release && !has(caller, *find_helper("sk_release")));
}

bool kernel_has(const HelperRow& helper, const Caller& caller) {
  const Code code = {call(helper.id), mov(0, caller.result()), leave()};
  const Answer answer = caller.ask(code);
  return !answer.says("invalid func ") && !answer.says("unknown func ") && !answer.says("cannot use helper") &&
         !answer.says("not supported for program type");
}

class KernelHelpers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = no_kernel(); !why.empty()) GTEST_SKIP() << why;
  }
  // Counts the checks done: one for each helper and caller, where kernel and tables agree that the caller has it.
  template <class Check>
  unsigned each(Check check) {
    unsigned count = 0;
    for (const Caller& caller : callers()) {
      const Maps maps;  // of its own: a prog_array belongs to the first program type that uses it
      for (const HelperRow& helper : helpers()) {
        if (!has(caller, helper) || out_of_reach(helper, caller) || !kernel_has(helper, caller)) continue;
        count += check(helper, caller, maps) ? 1 : 0;
      }
    }
    return count;
  }
};

TEST_F(KernelHelpers, AreAvailableWhereTheTablesSay) {
  for (const Caller& caller : callers()) {
    for (const HelperRow& helper : helpers()) {
      const bool ours = has(caller, helper), kernels = kernel_has(helper, caller);
      const bool excused = kernel_version() < kTablesVersion || may_be_absent(helper) ||
                           listed(kOnlyAtSomePlaces, std::pair(caller.row->type, helper.name));
      if (ours && !kernels && excused) continue;
      if (!ours && kernels && kernel_version() > kTablesVersion) continue;
      EXPECT_EQ(ours, kernels) << helper.name << " in " << caller.name() << " (ours, Linux)";
    }
  }
}

TEST_F(KernelHelpers, AskForTheLicenceThatTheTablesSay) {
  for (const Caller& caller : callers()) {
    for (const HelperRow& helper : helpers()) {
      if (!kernel_has(helper, caller)) continue;
      const Code code = {call(helper.id), mov(0, caller.result()), leave()};
      const bool refused = caller.ask(code, "Proprietary").says("GPL");
      const bool other = listed(kOtherLicence, std::pair(caller.row->type, helper.name));
      EXPECT_EQ(helper.gpl_only && !other, refused) << helper.name << " in " << caller.name() << " (ours, Linux)";
    }
  }
}

TEST_F(KernelHelpers, AcceptTheArgumentsOfTheirRows) {
  const unsigned tried = each([&](const HelperRow& helper, const Caller& caller, const Maps& maps) {
    const auto body = call_with(helper, caller, maps.any_for(helper));
    if (!body) return false;
    const Answer answer = caller.ask(whole(*body, caller));
    EXPECT_EQ(answer.error, 0) << helper.name << " in " << caller.name() << "\n" << answer.log;
    return true;
  });
  EXPECT_GE(tried, 1000U);
}

TEST_F(KernelHelpers, RefuseOtherArguments) {
  const unsigned tried = each([&](const HelperRow& helper, const Caller& caller, const Maps& maps) {
    const auto map = maps.any_for(helper);
    if (!call_with(helper, caller, map)) return false;
    const auto args = helper_args(helper, caller.row->type);
    for (unsigned i = 0; i < args.size() && args[i] != Arg::none; ++i) {
      auto wrong = unfitting(args[i], i + 1);
      // r1 is set when a program starts, and prologue() sets it again.
      if (i > 0) wrong.emplace_back("an unset register", Code{});
      for (const auto& [what, value] : wrong) {
        const auto body = call_with(helper, caller, map, static_cast<int>(i), value);
        EXPECT_NE(caller.ask(whole(*body, caller)).error, 0)
            << helper.name << " in " << caller.name() << ": argument " << i + 1 << " is " << what;
      }
    }
    return true;
  });
  EXPECT_GE(tried, 1000U);
}

TEST_F(KernelHelpers, TakeTheMapTypesOfTheirRows) {
  std::set<std::string_view> done;
  const unsigned tried = each([&](const HelperRow& helper, const Caller& caller, const Maps& maps) {
    if (helper.map_types == 0 || !call_with(helper, caller, 0)) return false;
    if (!done.insert(helper.name).second) return false;
    for (const MapRow& map : isa::maps()) {
      const auto fd = maps.fd(map.type);
      if (!fd) continue;
      const Answer answer = caller.ask(whole(*call_with(helper, caller, fd), caller));
      const bool ours = (helper.map_types >> static_cast<unsigned>(map.type) & 1) != 0;
      if (ours) {
        EXPECT_FALSE(answer.says("cannot pass map_type")) << helper.name << " on " << map.name;
      } else {
        EXPECT_NE(answer.error, 0) << helper.name << " on " << map.name;
      }
    }
    return true;
  });
  EXPECT_GE(tried, 20U);
}

// A packet pointer is checked, the helper called, and the pointer used.
Code packet_survives(const Code& body, const Caller& caller, const ContextField& data, const ContextField& end) {
  Code code = prologue();
  append(code, {load(data.size, kPacket, kContext, data.offset),
                load(end.size, 2, kContext, end.offset),
                copy(1, kPacket),
                add(1, 1),
                {.opcode = 0x2d, .dst = 1, .src = 2, .offset = static_cast<std::int16_t>(body.size() + 1)}});
  code.insert(code.end(), body.begin(), body.end());
  append(code, {load(1, 0, kPacket, 0), mov(0, caller.result()), leave()});
  return code;
}

TEST_F(KernelHelpers, MoveThePacketWhereTheTablesSay) {
  const unsigned tried = each([&](const HelperRow& helper, const Caller& caller, const Maps& maps) {
    const auto& fields = caller.row->context->fields;
    const auto data = std::ranges::find(fields, FieldKind::packet, &ContextField::kind);
    const auto end = std::ranges::find(fields, FieldKind::packet_end, &ContextField::kind);
    const auto body = call_with(helper, caller, maps.any_for(helper));
    if (!body || data == fields.end() || (data->readers & set_of(caller.row->type)) == 0) return false;
    const bool moved = caller.ask(packet_survives(*body, caller, *data, *end)).error != 0;
    EXPECT_EQ(helper.changes_packet, moved) << helper.name << " in " << caller.name() << " (ours, Linux)";
    return true;
  });
  EXPECT_GE(tried, 500U);
}

}  // namespace
}  // namespace forager::isa::test

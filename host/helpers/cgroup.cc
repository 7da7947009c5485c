// SPDX-License-Identifier: Apache-2.0
//
// What programs of cgroups say about a system call (kernel/bpf/cgroup.c, net/core/filter.c).
#include <linux/bpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/task.h"

namespace forager::helpers {
namespace {

constexpr std::size_t kMaxSysctl = 4095;     // a page, and its zero
constexpr std::size_t kOldIpv6Address = 24;  // SIN6_LEN_RFC2133: without the scope

bool is_write(const RunContext& run) {
  bpf_sysctl context{};
  std::memcpy(&context, run.frame->context.data(), sizeof context);
  return context.write != 0;
}

// A value's length where it fits with a zero behind it; else it is cut, and -E2BIG.
u64 copy_value(u64 to, std::uint32_t room, std::string_view value) {
  char* out = pointer<char>(to);
  std::memset(out, 0, room);
  if (value.empty()) return result(-EINVAL);
  std::copy_n(value.begin(), std::min<std::size_t>(value.size(), room), out);
  if (value.size() < room) return value.size();
  out[room - 1] = '\0';
  return result(-E2BIG);
}

const exec::SysctlEvent& sysctl_of(RunContext& run) {
  static const exec::SysctlEvent kNone;
  const auto& sysctl = event_of(run).sysctl;
  return sysctl ? *sysctl : kNone;
}

// bytes that an address of the family has at least; 0 for families that no socket of TCP or UDP has.
std::size_t address_bytes(std::uint16_t family) {
  return family == AF_INET ? sizeof(sockaddr_in) : family == AF_INET6 ? kOldIpv6Address : 0;
}

}  // namespace

u64 get_retval(RunContext& run, u64, u64, u64, u64, u64) { return result(event_of(run).retval); }

u64 set_retval(RunContext& run, u64 value, u64, u64, u64, u64) {
  event_of(run).retval = static_cast<std::int32_t>(value);
  return 0;
}

// The address is recorded; whether the socket could have it, only its machine knows.
u64 bind(RunContext& run, u64, u64 address, u64 size, u64, u64) {
  const std::span<const std::byte> given = bytes(address, static_cast<std::uint32_t>(size));
  std::uint16_t family = 0;
  if (given.size() < sizeof family) return result(-EINVAL);
  std::memcpy(&family, given.data(), sizeof family);
  const std::size_t needed = address_bytes(family);
  if (needed == 0) return result(-EAFNOSUPPORT);
  if (given.size() < needed) return result(-EINVAL);
  event_of(run).effects.bound.assign(given.begin(), given.end());
  return 0;
}

u64 sysctl_get_name(RunContext& run, u64, u64 to, u64 size, u64 flags, u64) {
  if ((flags & ~u64{BPF_F_SYSCTL_BASE_NAME}) != 0) return result(-EINVAL);
  std::string_view name = sysctl_of(run).name;
  if ((flags & BPF_F_SYSCTL_BASE_NAME) != 0) name.remove_prefix(name.rfind('/') + 1);
  return copy_value(to, static_cast<std::uint32_t>(size), name);
}

u64 sysctl_get_current_value(RunContext& run, u64, u64 to, u64 size, u64, u64) {
  return copy_value(to, static_cast<std::uint32_t>(size), sysctl_of(run).current);
}

u64 sysctl_get_new_value(RunContext& run, u64, u64 to, u64 size, u64, u64) {
  return copy_value(to, static_cast<std::uint32_t>(size), is_write(run) ? sysctl_of(run).fresh : std::string_view{});
}

u64 sysctl_set_new_value(RunContext& run, u64, u64 from, u64 size, u64, u64) {
  const std::span<const std::byte> value = bytes(from, static_cast<std::uint32_t>(size));
  exec::Event& event = event_of(run);
  if (!is_write(run) || !event.sysctl || event.sysctl->fresh.empty()) return result(-EINVAL);
  if (value.size() > kMaxSysctl) return result(-E2BIG);
  event.sysctl->fresh.assign(reinterpret_cast<const char*>(value.data()), value.size());
  event.effects.sysctl_replaced = true;
  return 0;
}

}  // namespace forager::helpers

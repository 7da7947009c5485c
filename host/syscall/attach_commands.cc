// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_ATTACH, BPF_PROG_DETACH and BPF_PROG_QUERY (kernel/bpf/syscall.c bpf_prog_attach and the functions that it
// hands over to). XDP programs and those of perf events come by links only, and so it is here.
#include <cerrno>
#include <vector>

#include "syscall/targets.h"

namespace forager::syscall {
namespace {

using isa::AttachType;
using runtime::AttachRequest;
using runtime::ProgramObject;

constexpr std::uint32_t kPlaces = runtime::kBefore | runtime::kAfter | kFlagId | kFlagLink;

// What a family of places has besides a program: flags, and the order of mprog.
struct Rules {
  TargetKind kind;
  std::uint32_t flags;
  bool ordered;        // relative and expected_revision mean something
  bool target_unused;  // the caller's own network namespace is meant
};

constexpr Rules kRules[] = {
    {TargetKind::port, runtime::kReplace | kPlaces, true, false},
    {TargetKind::cgroup,
     runtime::kAllowOverride | runtime::kAllowMulti | runtime::kReplace | runtime::kPreorder | kPlaces, true, false},
    {TargetKind::sockmap, 0, false, false},
    {TargetKind::netns, 0, false, true},
};

// Null for attach types that this command does not know.
const Rules* rules_for(std::uint32_t attach_type) {
  const auto type = static_cast<AttachType>(attach_type);
  if (type == AttachType::xdp || type == AttachType::sk_lookup) return nullptr;
  for (const Rules& rules : kRules) {
    if (rules.kind == target_kind(attach_type)) return &rules;
  }
  return nullptr;
}

bool bad_flags(const Rules& rules, const AttachAttributes& asked) {
  if ((asked.flags & ~rules.flags) != 0) return true;
  if (!rules.ordered && (asked.relative != 0 || asked.expected_revision != 0)) return true;
  return (rules.kind == TargetKind::sockmap || rules.target_unused) && asked.replace_fd != 0;
}

Errno<runtime::Place> place_for(const Call& call, const Rules& rules, const AttachAttributes& asked) {
  if (!rules.target_unused) return place_of(call, asked.attach_type, asked.target);
  if (asked.target != 0) return std::unexpected(-EINVAL);
  return runtime::Place::netns(asked.attach_type);
}

Errno<AttachRequest> read_request(const Call& call, const AttachAttributes& asked, isa::ProgType type) {
  AttachRequest request{.flags = asked.flags & ~(kFlagId | kFlagLink), .revision = asked.expected_revision};
  const bool cgroup = target_kind(asked.attach_type) == TargetKind::cgroup;
  if ((asked.flags & runtime::kReplace) != 0 && (!cgroup || (asked.flags & runtime::kAllowMulti) != 0)) {
    auto replaced = program_for(call, asked.attach_type, asked.replace_fd);
    if (!replaced) return std::unexpected(replaced.error());
    request.replaced.program = std::move(*replaced);
  }
  auto relative = relative_of(call, asked.flags, asked.relative, type);
  if (!relative) return std::unexpected(relative.error());
  request.relative = std::move(*relative);
  return request;
}

// The program that is to go; none where the place itself says which.
Errno<std::shared_ptr<ProgramObject>> leaving(const Call& call, const Rules& rules, const AttachAttributes& asked) {
  const bool optional = rules.kind == TargetKind::cgroup || (rules.kind == TargetKind::port && asked.prog_fd == 0);
  auto program = program_for(call, asked.attach_type, asked.prog_fd);
  if (!program && optional) return nullptr;
  return program;
}

}  // namespace

long prog_attach(const Call& call) {
  const auto asked = part_of<AttachAttributes>(call.attr);
  const Rules* rules = rules_for(asked.attach_type);
  if (rules == nullptr || bad_flags(*rules, asked)) return -EINVAL;
  const auto program = program_for(call, asked.attach_type, asked.prog_fd);
  if (!program) return program.error();
  const auto place = place_for(call, *rules, asked);
  if (!place) return place.error();
  const auto request = read_request(call, asked, (*program)->type());
  if (!request) return request.error();
  return call.runtime().points().attach(*place, *program, *request);
}

long prog_detach(const Call& call) {
  const auto asked = part_of<AttachAttributes>(call.attr);
  const Rules* rules = rules_for(asked.attach_type);
  const bool ordered = rules != nullptr && rules->kind == TargetKind::port;
  if (rules == nullptr || (ordered ? bad_flags(*rules, asked) : asked.flags != 0 || asked.relative != 0))
    return -EINVAL;
  const auto program = leaving(call, *rules, asked);
  if (!program) return program.error();
  const auto place = place_for(call, *rules, asked);
  if (!place) return place.error();
  AttachRequest request{.flags = asked.flags & ~(kFlagId | kFlagLink), .revision = asked.expected_revision};
  const isa::ProgType type = *program ? (*program)->type() : isa::ProgType::sched_cls;
  auto relative = relative_of(call, asked.flags, asked.relative, type);
  if (!relative) return relative.error();
  request.relative = std::move(*relative);
  return call.runtime().points().detach(*place, *program, request);
}

// ---- BPF_PROG_QUERY
// --------------------------------------------------------------------------------------------------

namespace {

// One array of numbers, where the caller wants it.
long put_numbers(UserAddress to, const std::vector<std::uint32_t>& numbers) {
  return to == 0 ? 0 : copy_to_user(to, numbers.data(), numbers.size() * sizeof(std::uint32_t));
}

long put_attachments(const QueryAttributes& asked, std::span<const runtime::Attachment> shown, std::uint32_t flags) {
  std::vector<std::uint32_t> programs, links, program_flags, link_flags(shown.size());
  for (const runtime::Attachment& one : shown) {
    programs.push_back(one.program->id);
    links.push_back(one.link_id);
    program_flags.push_back(flags);
  }
  for (const long error : {put_numbers(asked.prog_ids, programs), put_numbers(asked.prog_attach_flags, program_flags),
                           put_numbers(asked.link_ids, links), put_numbers(asked.link_attach_flags, link_flags)}) {
    if (error != 0) return error;
  }
  return 0;
}

long answer(const Call& call, const QueryAttributes& asked, const runtime::Listing& listing) {
  const auto put = [&](std::size_t at, auto value) { return put_user(call.user_attr + at, value); };
  const auto there_are = static_cast<std::uint32_t>(listing.attachments.size());
  if (put(offsetof(QueryAttributes, attach_flags), listing.flags) != 0 ||
      put(offsetof(QueryAttributes, count), there_are) != 0) {
    return -EFAULT;
  }
  const bool has_revision = call.size >= offsetof(QueryAttributes, revision) + sizeof asked.revision;
  if (has_revision && put(offsetof(QueryAttributes, revision), listing.revision) != 0) return -EFAULT;
  if (asked.count == 0 || asked.prog_ids == 0 || there_are == 0) return 0;
  const std::span shown(listing.attachments.data(), std::min(asked.count, there_are));
  if (const long error = put_attachments(asked, shown, listing.flags); error != 0) return error;
  return shown.size() < there_are ? -ENOSPC : 0;
}

}  // namespace

long prog_query(const Call& call) {
  const auto asked = part_of<QueryAttributes>(call.attr);
  const TargetKind kind = target_kind(asked.attach_type);
  const bool effective = (asked.query_flags & BPF_F_QUERY_EFFECTIVE) != 0;
  if ((asked.query_flags & ~std::uint32_t{BPF_F_QUERY_EFFECTIVE}) != 0) return -EINVAL;
  if (kind == TargetKind::other || static_cast<AttachType>(asked.attach_type) == AttachType::xdp) return -EINVAL;
  if (kind != TargetKind::cgroup && effective) return -EINVAL;
  if (effective && asked.prog_attach_flags != 0) return -EINVAL;
  if (kind == TargetKind::port && asked.attach_flags != 0) return -EINVAL;
  const auto place = place_of(call, asked.attach_type, asked.target);
  if (!place) return place.error();
  runtime::Listing listing = call.runtime().points().list(*place);
  if (effective)
    listing = {.flags = 0, .revision = listing.revision, .attachments = call.runtime().points().effective(*place)};
  return answer(call, asked, listing);
}

}  // namespace forager::syscall

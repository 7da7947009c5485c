// SPDX-License-Identifier: Apache-2.0
#include "runtime/fire.h"

#include <memory>
#include <utility>

#include "exec/event.h"
#include "runtime/onward.h"
#include "runtime/session.h"

namespace forager::runtime {
namespace {

// How the answers of several programs become one.
enum class Together : std::uint8_t {
  first_other,  // the first that is not `pass` ends the round
  all_allow,    // all run; bit 0 is set if all set it
  all_cgroup,   // ... and bit 1 (congestion) if one does
};

struct Rule {
  std::uint64_t pass;  // the answer of a place without programs
  Together together;
};

Rule rule_of(const Place& place) {
  constexpr std::uint64_t kXdpPass = 2, kTcxNext = 0xffffffff, kAccept = 1, kSkPass = 1, kContinue = 129;
  switch (place.kind) {
    case PlaceKind::port:
      return {static_cast<isa::AttachType>(place.attach_type) == isa::AttachType::xdp ? kXdpPass : kTcxNext,
              Together::first_other};
    case PlaceKind::cgroup:
      return {1, Together::all_cgroup};
    case PlaceKind::netfilter:
      return {kAccept, Together::first_other};
    case PlaceKind::netns:
      if (static_cast<isa::AttachType>(place.attach_type) == isa::AttachType::sk_lookup) {
        return {kSkPass, Together::all_allow};
      }
      return {kContinue, Together::first_other};
    case PlaceKind::map:
      return {kSkPass, Together::first_other};
    case PlaceKind::route:
      return {0, Together::first_other};
    default:
      return {1, Together::all_allow};
  }
}

std::uint64_t combine(Together together, std::uint64_t before, std::uint64_t now) {
  if (together == Together::first_other) return now;
  const std::uint64_t congestion = together == Together::all_cgroup ? (before | now) & 2 : 0;
  return (before & now & 1) | congestion;
}

// bpf_get_attach_cookie() answers by the attachment, not by the event.
void give_cookie(exec::Frame& frame, std::uint64_t cookie) {
  if (frame.event == nullptr && cookie != 0) frame.event = std::make_shared<exec::Event>();
  if (frame.event != nullptr) frame.event->cookie = cookie;
}

}  // namespace

Result<Fired> fire(Runtime& runtime, const Place& place, exec::Frame& frame) {
  const Rule rule = rule_of(place);
  Fired fired{.answer = rule.pass};
  std::unique_ptr<Diagnostic> first_trap;
  for (const Attachment& attachment : runtime.points().effective(place)) {
    auto session = Session::open(runtime.environment, attachment.program, runtime.session_options());
    if (!session) return std::unexpected(std::move(session.error()));
    give_cookie(frame, attachment.cookie);
    if (auto report = session->run({&frame, 1}); !report) return std::unexpected(std::move(report.error()));
    ++fired.programs;
    if (frame.results().trap) ++fired.traps;
    if (frame.results().trap && !first_trap) first_trap = std::move(frame.change_results().trap);
    fired.answer = combine(rule.together, fired.answer, frame.return_value);
    if (rule.together == Together::first_other && frame.return_value != rule.pass) break;
  }
  if (place.kind == PlaceKind::port) {
    auto went = Onward(runtime, runtime.session_options()).run({&frame, 1});
    if (!went) return std::unexpected(std::move(went.error()));
    if (frame.results().trap && !first_trap) first_trap = std::move(frame.change_results().trap);
  }
  frame.change_results().trap = std::move(first_trap);
  return fired;
}

}  // namespace forager::runtime

// SPDX-License-Identifier: Apache-2.0
//
// A packet leaves the device: what it says of it, as far as that can be, goes into the frame.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "jit-backends/rtl/attendant.h"
#include "jit-backends/rtl/edges.h"

namespace forager::jit::rtl {
namespace {

using interp::Proxy;

struct CauseRow {
  CoreCause cause;
  ErrorKind kind;
  int error;
  std::string_view message;
};
constexpr CauseRow kCauses[] = {
    {CoreCause::Bounds, ErrorKind::rejected, EACCES, "access outside of the packet or the stack"},
    {CoreCause::Depth, ErrorKind::limit, E2BIG, "calls nest too deep, in frames"},
    {CoreCause::Budget, ErrorKind::limit, ETIME, "the program runs too long, in instructions"},
    {CoreCause::Program, ErrorKind::bug, EINVAL, "the program stopped itself"},
};

}  // namespace

Result<> Attendant::finish(const sim::Departure& departure) {
  const auto found = jobs_.find(departure.tag);
  if (found == jobs_.end() || order_.front() != departure.tag)
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device sends packet {:#x}, which it was not given, or not yet", departure.tag));
  Job& job = found->second;
  Proxy& proxy = proxy_of(job, 0);
  if (auto taken = job.native ? take_packet(*job.frame, departure) : Result<>{}; !taken) return taken;
  if (auto sent = redirect(job, proxy, departure.redirect); !sent) return sent;
  if (auto told = tell_cause(proxy, departure); !told) return told;
  proxy.finish(departure.value);
  free_.push_back(&proxy);
  jobs_.erase(found);
  order_.pop_front();
  return {};
}

Result<> Attendant::take_packet(exec::Frame& frame, const sim::Departure& departure) {
  if (auto moved = set_edges(frame, departure.meta, departure.data, departure.end); !moved) return moved;
  const std::size_t bytes = frame.data_end() - frame.data_meta();
  if (departure.bytes.size() != bytes)
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device sends {} bytes of a packet that has {}", departure.bytes.size(), bytes));
  std::ranges::copy(departure.bytes, frame.buffer() + frame.data_meta());
  return {};
}

// The last redirect holds; one that finds nothing takes back what was said before.
Result<> Attendant::redirect(const Job& job, Proxy& proxy, const sim::Redirection& to) {
  switch (to.kind) {
    case sim::Redirection::none:
      if (job.redirected) job.frame->change_results().redirect = {};
      return {};
    case sim::Redirection::port:
      job.frame->change_results().redirect = {.ifindex = to.value};
      return {};
    case sim::Redirection::host:
      if (job.redirected) return {};
      break;
    case sim::Redirection::entry:
      return redirect_by(proxy, to.map, to.value);
  }
  return fail(ErrorKind::bug, EIO, "the device redirects in a way that there is not");
}

Result<> Attendant::redirect_by(Proxy& proxy, std::uint64_t map, std::uint32_t key) {
  const auto* entry = chip_.find(map);
  if (entry == nullptr || !entry->chip || !entry->chip->redirects)
    return fail(ErrorKind::bug, EIO, "the device redirects by a map that it was not given");
  proxy.redirect(*entry->host, key);
  return {};
}

// Why a packet was stopped; what the host stopped it knows already.
Result<> Attendant::tell_cause(Proxy& proxy, const sim::Departure& departure) {
  const auto cause = static_cast<CoreCause>(departure.cause);
  if (cause == CoreCause::None || (cause == CoreCause::Host && proxy.trap() != nullptr)) return {};
  const auto* row = std::ranges::find(kCauses, cause, &CauseRow::cause);
  const Resident* resident = loader_.at(departure.pc);
  if (row == std::end(kCauses) || resident == nullptr)
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device stops a packet at bundle {}, for no cause that there is ({})", departure.pc,
                            departure.cause));
  // A bundle may be the compiler's own.
  const std::uint32_t of = resident->instruction(departure.pc);
  const std::uint32_t instruction = of < resident->unit->program().instructions().size() ? of : 0;
  proxy.stop(*resident->unit, instruction, row->kind, row->error, std::string(row->message));
  return {};
}

}  // namespace forager::jit::rtl

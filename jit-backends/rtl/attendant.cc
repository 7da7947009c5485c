// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/attendant.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "exec/host_helpers.h"
#include "jit-backends/rtl/edges.h"
#include "jit-backends/rtl/remote_access.h"
#include "jit-backends/rtl/scratch.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

using interp::Proxy;
using sim::kRowBytes;

constexpr std::uint32_t kRowsOfStack = 64, kRowsOfFrame = 8, kRowsOfScratch = kScratchBytesOfThread / kRowBytes,
                        kRowsOfPacket = 64;
constexpr std::uint32_t kRowsOfDepth = kScratchBytes / kRowBytes;

// The rows of a buffer that hold the packet and its metadata.
struct PacketRows {
  std::uint32_t begin = 0;
  std::size_t bytes = 0;
};
PacketRows rows_of(const exec::Frame& frame) {
  const std::uint32_t begin = frame.data_meta() / kRowBytes;
  const std::uint32_t end = (frame.data_end() + kRowBytes - 1) / kRowBytes;
  return {.begin = begin, .bytes = std::size_t{end - begin} * kRowBytes};
}

// What may be asked of the host: an operation that is not the core's alone, of an instruction.
bool may_ask(const Resident& resident, std::uint32_t pc) {
  const Slot& slot = resident.bundle(pc).slots[0];
  if (resident.instruction(pc) >= resident.unit->program().instructions().size()) return false;
  switch (class_of(slot.op)) {
    case CoreClass::Load:
    case CoreClass::Store:
    case CoreClass::Atomic:
      return true;
    case CoreClass::Local:
      return slot.op == CoreOp::LocalState;
    default:
      return slot.op == CoreOp::UnitHost || is_of_engine(slot);
  }
}

}  // namespace

Attendant::Attendant(sim::Board& board, Loader& loader, ChipMemory& chip, const Geometry& geometry,
                     const exec::DeviceOptions& options)
    : board_(board), loader_(loader), chip_(chip), geometry_(geometry), options_(options) {}

void Attendant::set_program(const std::shared_ptr<const verifier::VerifiedProgram>& program) {
  while (proxies_.size() < geometry_.slots) {
    proxies_.push_back(std::make_unique<Proxy>(options_));
    free_.push_back(proxies_.back().get());
  }
  for (const auto& proxy : proxies_) proxy->set_program(program);
}

Result<> Attendant::bind(std::uint32_t index, const std::shared_ptr<exec::Map>& map) {
  for (const auto& proxy : proxies_) {
    if (auto bound = proxy->units().bind(index, map); !bound) return bound;
  }
  return {};
}

const interp::Unit& Attendant::unit() { return *proxies_.front()->units().loaded(); }

void Attendant::forget_targets() {
  for (const auto& proxy : proxies_) proxy->units().trim();
}

void Attendant::expect(std::uint32_t tag, exec::Frame& frame, bool native) {
  jobs_[tag] = {.frame = &frame, .native = native};
  order_.push_back(tag);
}

void Attendant::abandon() {
  jobs_.clear();
  order_.clear();
}

// The first that is free: a device that takes one packet at a time has one machine, and its random numbers come in
// order.
Proxy& Attendant::proxy_of(Job& job, unsigned thread) {
  if (job.proxy == nullptr) {
    job.proxy = free_.back();
    free_.pop_back();
    job.proxy->begin(*job.frame, cpu_of(thread));
  }
  return *job.proxy;
}

// One that there is, whatever the thread: programs that tail calls lead to may come with per-CPU maps while threads
// run.
unsigned Attendant::cpu_of(unsigned thread) const {
  const unsigned cpus = options_.environment == nullptr ? 1 : options_.environment->cpus;
  return options_.cpu + (cpus > options_.cpu ? thread % (cpus - options_.cpu) : 0);
}

// ---- requests ----

Result<> Attendant::serve() {
  const auto pending = board_.read(offset_of(CoreRegister::Pending));
  if (!pending) return std::unexpected(pending.error());
  if (*pending == 0) return {};
  const auto request = look(static_cast<std::uint32_t>(std::countr_zero(*pending)));
  if (!request) return std::unexpected(request.error());
  const Slot& slot = request->resident->bundle(request->pc).slots[0];
  if (slot.op == CoreOp::UnitHost) return execute(*request);
  if (is_of_engine(slot)) return map_operation(*request, slot);
  if (slot.op == CoreOp::LocalState) return show_state(*request);
  return access(*request);
}

Result<Attendant::Request> Attendant::look(std::uint32_t thread) {
  Request request{.thread = thread};
  if (auto chosen = board_.write(offset_of(CoreRegister::Select), thread); !chosen)
    return std::unexpected(chosen.error());
  std::uint32_t tag = 0;
  std::array<std::uint32_t, 6> halves{};
  struct Field {
    std::uint32_t offset;
    std::uint32_t* to;
  };
  const Field fields[] = {
      {offset_of(CoreRegister::RequestPc), &request.pc},      {offset_of(CoreRegister::ThreadSlot), &request.slot},
      {offset_of(CoreRegister::ThreadDepth), &request.depth}, {offset_of(CoreRegister::ThreadTag), &tag},
      {offset_of(CoreRegister::RequestAddress), &halves[0]},  {offset_of(CoreRegister::RequestAddress) + 4, &halves[1]},
      {offset_of(CoreRegister::RequestData), &halves[2]},     {offset_of(CoreRegister::RequestData) + 4, &halves[3]},
      {offset_of(CoreRegister::RequestOther), &halves[4]},    {offset_of(CoreRegister::RequestOther) + 4, &halves[5]},
  };
  for (const Field& field : fields) {
    const auto value = board_.read(field.offset);
    if (!value) return std::unexpected(value.error());
    *field.to = *value;
  }
  const auto whole = [&](unsigned at) { return halves[at] | std::uint64_t{halves[at + 1]} << 32; };
  request.address = whole(0);
  request.data = whole(2);
  request.other = whole(4);
  const auto job = jobs_.find(tag);
  request.resident = loader_.at(request.pc);
  const bool sane = job != jobs_.end() && request.resident != nullptr && request.depth < isa::kMaxCallFrames &&
                    request.slot < geometry_.slots && thread < geometry_.threads &&
                    may_ask(*request.resident, request.pc);
  if (!sane)
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device asks for a packet or an instruction that it was not given (thread {}, tag "
                            "{:#x}, bundle {})",
                            thread, tag, request.pc));
  request.job = &job->second;
  return request;
}

Result<> Attendant::answer(Answer kind, std::uint64_t value, std::uint32_t pc) {
  Result<> written = board_.write(offset_of(CoreRegister::AnswerValue), static_cast<std::uint32_t>(value));
  if (written)
    written = board_.write(offset_of(CoreRegister::AnswerValue) + 4, static_cast<std::uint32_t>(value >> 32));
  if (written && kind == Answer::jump) written = board_.write(offset_of(CoreRegister::AnswerPc), pc);
  if (written) written = board_.write(offset_of(CoreRegister::Answer), static_cast<std::uint32_t>(kind));
  return written;
}

Result<> Attendant::stop(const Request& request, const std::string& message) {
  proxy_of(*request.job, request.thread)
      .stop(*request.resident->unit, request.resident->instruction(request.pc), ErrorKind::rejected, EACCES, message);
  return answer(Answer::stop, 0);
}

// A packet that the host keeps: its edges are the host's too.
Result<> Attendant::show_state(const Request& request) {
  const exec::Frame& frame = *request.job->frame;
  const std::uint64_t packet = proxy_of(*request.job, request.thread).packet();
  const auto word = [&](std::size_t offset) {
    std::uint32_t value = 0;
    std::memcpy(&value, frame.context.data() + offset, sizeof value);
    return value;
  };
  switch (static_cast<CoreState>(request.resident->bundle(request.pc).slots[0].a)) {
    case CoreState::Data:
      return answer(Answer::result, packet + frame.data());
    case CoreState::DataEnd:
      return answer(Answer::result, packet + frame.data_end());
    case CoreState::DataMeta:
      return answer(Answer::result, packet + frame.data_meta());
    case CoreState::Port:
      return answer(Answer::result, word(offsetof(xdp_md, ingress_ifindex)));
    case CoreState::Queue:
      return answer(Answer::result, word(offsetof(xdp_md, rx_queue_index)));
    default:
      return fail(ErrorKind::bug, EIO, "the device asks for state that it knows itself");
  }
}

Result<> Attendant::access(const Request& request) {
  ++delegated_.accesses;
  Proxy& proxy = proxy_of(*request.job, request.thread);
  const RemoteAccess wanted = remote_access(request.resident->bundle(request.pc).slots[0]);
  const interp::Span span = proxy.access(request.address, wanted.bytes, wanted.use);
  if (span.fault != interp::Fault::none) return stop(request, interp::describe(span, wanted.bytes, wanted.use));
  if (wanted.atomic && reinterpret_cast<std::uintptr_t>(span.host) % wanted.bytes != 0) {
    return stop(request, interp::describe(span, wanted.bytes, wanted.use) + ", which is not aligned");
  }
  return answer(Answer::result, perform(wanted, span.host, request.data, request.other));
}

// What the map engine could not do: the map is brought up to date here, changed, and given back. Nothing changes the
// device's tables meanwhile.
Result<> Attendant::map_operation(const Request& request, const Slot& slot) {
  ++delegated_.instructions;
  if (moves_edge(slot.op)) return call(request, request.resident->instruction(request.pc), request.address);
  if (slot.op == CoreOp::UnitTailCall) return jump(request, slot);
  const std::uint64_t own = (slot.offset & (kMapsInTable - 1)) + request.resident->maps;
  if (slot.op == CoreOp::UnitRedirect || slot.op == CoreOp::UnitRedirectMap)
    return send_elsewhere(request, slot.op, own);
  const bool by_pointer = (slot.offset & kMapByPointer) != 0;
  const std::uint64_t region = request.other >> interp::Memory::kOffsetBits;
  const std::uint64_t number = by_pointer ? (region - chip_.first_region()) / 2 : own;
  const auto* entry = chip_.find(number);
  const bool known = entry != nullptr && entry->chip && entry->chip->takes_updates();
  if (!known && by_pointer) return stop(request, "an operation on a map by a pointer that is none");
  if (!known || slot.op != CoreOp::UnitUpdate)
    return fail(ErrorKind::bug, EIO, "the device hands over a map operation that it was not given");
  return update(request, *entry, by_pointer ? 0 : request.other);
}

// To a port, or by an entry of a map, whose number has no room beside the packet.
Result<> Attendant::send_elsewhere(const Request& request, CoreOp op, std::uint64_t map) {
  Proxy& proxy = proxy_of(*request.job, request.thread);
  const auto to = static_cast<std::uint32_t>(request.address);
  request.job->redirected = true;
  if (op == CoreOp::UnitRedirect) {
    request.job->frame->change_results().redirect = {.ifindex = to};
  } else if (auto sent = redirect_by(proxy, map, to); !sent) {
    return sent;
  }
  return answer(Answer::result, XDP_REDIRECT);
}

Result<> Attendant::update(const Request& request, const ChipMemory::Entry& entry, std::uint64_t flags) {
  std::array<std::byte, kScratchBytes> scratch{};
  if (auto read = board_.read_rows(scratch_row(request), scratch); !read) return read;
  if (auto taken = chip_.download(*entry.host); !taken) return taken;
  const auto* const key = scratch.data() + kEntryScratch;
  const int result = entry.host->update(key, key + entry.chip->value_offset, flags, cpu_of(request.thread));
  if (auto given = chip_.upload(*entry.host); !given) return given;
  return answer(Answer::result, static_cast<std::uint64_t>(std::int64_t{result}));
}

// To a program that the device has not met yet.
Result<> Attendant::jump(const Request& request, const Slot& slot) {
  Proxy& proxy = proxy_of(*request.job, request.thread);
  const interp::Unit& unit = *request.resident->unit;
  auto& registers = proxy.registers();
  registers[1] = proxy.context();
  registers[2] = interp::Memory::fixed_address(unit.first_region + 2U * (slot.offset & (kMapsInTable - 1)));
  registers[3] = request.address;
  return conclude(request, proxy.execute(unit, request.resident->instruction(request.pc), request.depth), 0);
}

// Units are numbered by each machine as it meets them. They all meet one now, so that what is its address for one is
// for all.
Result<const Resident*> Attendant::load_everywhere(const interp::Unit& unit) {
  const exec::ProgramSlot slot{.id = 0, .program = unit.verified, .maps = unit.source};
  const interp::Unit* first = nullptr;
  for (const auto& proxy : proxies_) {
    const auto found = proxy->units().find(slot);
    if (!found) return std::unexpected(found.error());
    if (first == nullptr) first = *found;
  }
  auto resident = loader_.find(*first, geometry_.room());
  if (!resident) return resident;
  if (auto shown = chip_.show_programs(); !shown) return std::unexpected(shown.error());
  return resident;
}

std::uint32_t Attendant::scratch_row(const Request& request) const {
  return geometry_.scratch_row + request.thread * kRowsOfScratch + request.depth * kRowsOfDepth;
}

// ---- instructions ----

Result<> Attendant::execute(const Request& request) {
  ++delegated_.instructions;
  const std::uint32_t instruction = request.resident->bundle(request.pc).slots[0].imm;
  const bool calls = request.resident->unit->program().instructions()[instruction].op == isa::Op::call_helper;
  return calls ? call(request, instruction, std::nullopt) : execute_alone(request, instruction);
}

// An access of the context, whose address no register need have any more, or of the packet by its index.
Result<> Attendant::execute_alone(const Request& request, std::uint32_t instruction) {
  Proxy& proxy = proxy_of(*request.job, request.thread);
  const interp::Unit& unit = *request.resident->unit;
  const program::Instruction& insn = unit.program().instructions()[instruction];
  const verifier::AccessFact& access = unit.verified->facts()[instruction].access;
  const bool loads = isa::row(insn.op).form == isa::Form::load;
  auto& registers = proxy.registers();
  registers[insn.src] = request.data;
  const std::int64_t base = access.offset_min - insn.offset;
  if (access.region == verifier::Region::context) {
    registers[loads ? insn.src : insn.dst] = proxy.context() + static_cast<std::uint64_t>(base);
  }
  const auto outcome = proxy.execute(unit, instruction, request.depth);
  return conclude(request, outcome, registers[loads ? insn.dst : 0]);
}

// A helper sees the stack, the packet and its arguments; the second one may come with the request.
Result<> Attendant::call(const Request& request, std::uint32_t instruction, std::optional<std::uint64_t> second) {
  Proxy& proxy = proxy_of(*request.job, request.thread);
  if (auto fetched = fetch(request, proxy); !fetched) return fetched;
  if (second) proxy.registers()[2] = *second;
  set_known_arguments(request, proxy, instruction);
  const auto outcome = proxy.execute(*request.resident->unit, instruction, request.depth);
  if (outcome != Proxy::Outcome::stopped) {
    if (auto given = give_back(request, proxy); !given) return given;
    if (watcher_ != nullptr)
      watcher_->called({*request.job->frame, *request.resident->unit, instruction, request.depth, proxy, stack_});
  }
  return conclude(request, outcome, proxy.registers()[0]);
}

void Attendant::set_known_arguments(const Request& request, Proxy& proxy, std::uint32_t instruction) {
  const interp::Unit& unit = *request.resident->unit;
  const verifier::VerifiedProgram& program = *unit.verified;
  const verifier::CallFact& fact = program.facts()[instruction].call;
  const isa::HelperRow* helper = isa::find_helper(fact.helper);
  if (helper == nullptr || fact.helper == static_cast<std::uint32_t>(exec::HelperId::tail_call)) return;
  const auto kinds = isa::helper_args(*helper, program.program().type());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (!argument_is_known(program, instruction, kinds[i], i)) continue;
    std::uint64_t& reg = proxy.registers()[i + 1];
    if (kinds[i] == isa::Arg::ctx) {
      reg = proxy.context();
    } else if (kinds[i] == isa::Arg::const_map) {
      reg = interp::Memory::fixed_address(unit.first_region + 2 * fact.map);
    } else {
      reg = program.call_arguments()[fact.arguments][i].value.min;
    }
  }
}

Result<> Attendant::conclude(const Request& request, Proxy::Outcome outcome, std::uint64_t result) {
  switch (outcome) {
    case Proxy::Outcome::next:
      return answer(Answer::result, result);
    case Proxy::Outcome::left:
      return answer(Answer::jump, 0, request.resident->first + request.resident->image->code().leave);
    case Proxy::Outcome::stopped:
      return answer(Answer::stop, 0);
    case Proxy::Outcome::jumped:
      break;
  }
  const auto target = load_everywhere(*proxy_of(*request.job, request.thread).unit());
  if (!target) {
    if (target.error().kind == ErrorKind::bug) return std::unexpected(target.error());
    return stop(request, target.error().message);
  }
  if (auto cleared = clear_stack(request, (*target)->image->code()); !cleared) return cleared;
  return answer(Answer::jump, 0, (*target)->first);
}

// What the device does when a packet begins with its program; here from the frame on that the target gets.
Result<> Attendant::clear_stack(const Request& request, const CoreProgram& target) {
  const std::vector<std::byte> zeros(target.cleared_rows * kRowBytes);
  const std::uint32_t end = std::min(request.depth + target.frames, std::uint32_t{isa::kMaxCallFrames});
  for (std::uint32_t frame = request.depth; frame < end && !zeros.empty(); ++frame) {
    const std::uint32_t top = geometry_.stack_row + request.thread * kRowsOfStack + (frame + 1) * kRowsOfFrame;
    if (auto put = board_.write_rows(top - target.cleared_rows, zeros); !put) return put;
  }
  return {};
}

Result<> Attendant::fetch(const Request& request, Proxy& proxy) {
  std::array<std::byte, kRowBytes> arguments{};
  if (auto read = board_.read_rows(scratch_row(request) + kArgumentScratch / kRowBytes, arguments); !read) return read;
  for (unsigned i = 0; i < 5; ++i) std::memcpy(&proxy.registers()[i + 1], arguments.data() + 8UL * i, 8);
  stack_.resize((request.depth + 1) * kRowsOfFrame * kRowBytes);
  if (auto read = board_.read_rows(geometry_.stack_row + request.thread * kRowsOfStack, stack_); !read) return read;
  for (unsigned depth = 0; depth <= request.depth; ++depth) {
    std::memcpy(proxy.stack(depth).data(), stack_.data() + std::size_t{depth} * isa::kStackBytes, isa::kStackBytes);
  }
  if (!request.job->native) return {};
  exec::Frame& frame = *request.job->frame;
  if (auto seen = fetch_edges(frame); !seen) return seen;
  proxy.show_packet();
  const auto [begin, bytes] = rows_of(frame);
  packet_.resize(bytes);
  if (auto read = board_.read_rows(request.slot * kRowsOfPacket + begin, packet_); !read) return read;
  std::memcpy(frame.buffer() + frame.data_meta(), packet_.data() + frame.data_meta() - begin * kRowBytes,
              frame.data_end() - frame.data_meta());
  return {};
}

// Of the thread that was looked at last.
Result<> Attendant::fetch_edges(exec::Frame& frame) {
  const auto meta = board_.read(offset_of(CoreRegister::ThreadMeta));
  const auto data = board_.read(offset_of(CoreRegister::ThreadData));
  const auto end = board_.read(offset_of(CoreRegister::ThreadEnd));
  if (!meta || !data || !end) return std::unexpected((!meta ? meta : !data ? data : end).error());
  return set_edges(frame, *meta, *data, *end);
}

Result<> Attendant::give_back(const Request& request, Proxy& proxy) {
  std::vector<std::byte> now(stack_.size());
  for (unsigned depth = 0; depth <= request.depth; ++depth) {
    std::memcpy(now.data() + std::size_t{depth} * isa::kStackBytes, proxy.stack(depth).data(), isa::kStackBytes);
  }
  if (now != stack_) {
    if (auto put = board_.write_rows(geometry_.stack_row + request.thread * kRowsOfStack, now); !put) return put;
  }
  if (!request.job->native) return {};
  exec::Frame& frame = *request.job->frame;
  const auto [begin, bytes] = rows_of(frame);
  const std::span<const std::byte> rows(frame.buffer() + std::size_t{begin} * kRowBytes, bytes);
  Result<> put;
  if (!std::ranges::equal(rows, packet_)) put = board_.write_rows(request.slot * kRowsOfPacket + begin, rows);
  const std::pair<CoreRegister, std::uint64_t> edges[] = {
      {CoreRegister::ThreadMeta, frame.data_meta()},
      {CoreRegister::ThreadData, frame.data()},
      {CoreRegister::ThreadEnd, frame.data_end()},
      {CoreRegister::ThreadRegion, proxy.packet() >> interp::Memory::kOffsetBits},
  };
  for (const auto& [which, value] : edges) {
    if (put) put = board_.write(offset_of(which), static_cast<std::uint32_t>(value));
  }
  return put;
}

}  // namespace forager::jit::rtl

// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "maps/registry.h"

namespace forager::runtime {
namespace {

// Function records, where there are any, name the subprograms one by one (kernel/bpf/verifier.c check_btf_func).
Result<> check_functions(const program::Program& program) {
  const auto& records = program.source().functions;
  const auto subprograms = program.subprograms();
  if (records.empty()) return {};
  if (records.size() != subprograms.size()) {
    return fail(ErrorKind::rejected, EINVAL, "number of funcs in func_info doesn't match number of subprogs");
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].slot == program.instructions()[subprograms[i].begin].slot) continue;
    return fail(ErrorKind::rejected, EINVAL, "func_info BTF section doesn't match subprog layout in BPF program");
  }
  return {};
}

// Linux's map_type_contains_progs(): who uses such a map and what is in it must be of one kind. (DEVMAP_HASH holds
// programs as well, and is not asked.)
bool holds_programs(isa::MapType type) {
  return type == isa::MapType::prog_array || type == isa::MapType::devmap || type == isa::MapType::cpumap;
}

// CPU time of this thread, in nanoseconds: others on the machine make it no longer.
std::uint64_t thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// What the runtime's user wants of every program, and what this one's loader does.
void add_options(const verifier::Options& general, verifier::Options& own) {
  own.strict_alignment |= general.strict_alignment;
  own.strict_loops |= general.strict_loops;
  own.allow_uninitialised_stack |= general.allow_uninitialised_stack;
  own.test_state_freq |= general.test_state_freq;
  own.log_level |= general.log_level;
  own.instruction_limit = std::min(own.instruction_limit, general.instruction_limit);
}

}  // namespace

Runtime::Runtime(exec::Environment host)
    : environment(std::move(host)),
      timers_(environment, [this](const verifier::VerifiedProgram& program) { return owner_of(program); }) {
  environment.timers = &timers_;
}

std::shared_ptr<const void> Runtime::owner_of(const verifier::VerifiedProgram& program) const {
  for (auto id = programs_.next(0); id; id = programs_.next(*id)) {
    auto object = programs_.find(*id);
    if (object != nullptr && object->verified.get() == &program) return object;
  }
  return nullptr;
}

Result<std::shared_ptr<MapObject>> Runtime::create_map(const program::MapSpec& spec, MapBtf btf) {
  auto map = (settings.verify_only ? maps::declare : maps::create)(spec, environment.cpus);
  if (!map) return std::unexpected(std::move(map.error()));
  auto object = maps_.make(std::move(*map), std::move(btf));
  const auto& fields = object->spec().fields;
  const bool timed =
      std::ranges::find(fields, program::ValueField::Kind::timer, &program::ValueField::kind) != fields.end();
  if (timed) object->use_timers(timers_);
  return object;
}

Result<std::shared_ptr<ProgramObject>> Runtime::load_program(ProgramRequest request, verifier::Report* report) {
  verifier::Report own;
  verifier::Report& filled = report == nullptr ? own : *report;
  add_options(settings.verify, request.verify);
  request.source.maps.clear();
  for (const auto& map : request.maps) {
    request.source.maps.push_back(map->spec());
    request.source.maps.back().frozen = map->constants();
  }
  const std::uint64_t start = thread_time();
  const auto loaded = verify_and_add(request, filled);
  if (settings.on_load) {
    settings.on_load({.source = loaded ? (*loaded)->source() : request.source,
                      .program = loaded ? loaded->get() : nullptr,
                      .error = loaded ? nullptr : &loaded.error(),
                      .report = filled,
                      .verify_ns = thread_time() - start});
  }
  return loaded;
}

Result<std::shared_ptr<ProgramObject>> Runtime::verify_and_add(ProgramRequest& request, verifier::Report& report) {
  auto decoded = program::Program::decode(request.source);
  if (!decoded) return std::unexpected(std::move(decoded.error()));
  if (auto matched = check_functions(*decoded); !matched) return std::unexpected(std::move(matched.error()));
  auto verified = verifier::verify(std::move(*decoded), request.verify, &report);
  if (!verified) return std::unexpected(std::move(verified.error()));

  auto object = programs_.make(std::move(*verified), std::move(request.maps), std::move(request.debug));
  object->load_time_ns = environment.boot_ns ? environment.boot_ns() : 0;
  object->verified_instructions = report.processed_instructions;
  object->created_by = getuid();
  object->statistics = &statistics;
  for (const auto& map : object->maps) {
    if (holds_programs(map->spec().type) && !map->own_programs(*object)) {
      return fail(ErrorKind::rejected, EINVAL,
                  "map " + map->spec().name + " holds programs of another kind, or for programs of another kind");
    }
  }
  return object;
}

std::shared_ptr<BtfObject> Runtime::add_btf(std::vector<std::byte> bytes, std::shared_ptr<const ::btf> parsed) {
  return btfs_.make(std::move(bytes), std::move(parsed));
}

bool Runtime::port_exists(std::uint32_t port) const {
  if (settings.ports.empty()) return port != 0;
  return std::ranges::find(settings.ports, port) != settings.ports.end();
}

SessionOptions Runtime::session_options() const {
  SessionOptions options;
  options.placement = settings.placement;
  options.device.ports = settings.ports;
  return options;
}

}  // namespace forager::runtime

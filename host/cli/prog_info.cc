// SPDX-License-Identifier: Apache-2.0
#include "cli/prog_info.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>

namespace forager::cli {
namespace {

std::unexpected<Diagnostic> failed(const ProgramHandle& program, int status) {
  return fail(ErrorKind::system, -status, fmt::format("program {}: {}", program.name, std::strerror(-status)));
}

}  // namespace

Result<bpf_prog_info> info_of(const ProgramHandle& program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  const int status = ::bpf_obj_get_info_by_fd(program.fd, &info, &size);
  if (status != 0) return failed(program, status);
  return info;
}

std::string tag_text(const bpf_prog_info& info) {
  std::string out;
  for (const auto byte : info.tag) out += fmt::format("{:02x}", byte);
  return out;
}

Result<std::vector<std::uint32_t>> map_ids_of(const World& world, const ProgramHandle& program) {
  auto first = info_of(program);
  if (!first) return std::unexpected(first.error());
  std::vector<std::uint32_t> runtime(first->nr_map_ids), out;
  bpf_prog_info info{};
  info.nr_map_ids = first->nr_map_ids;
  info.map_ids = reinterpret_cast<std::uintptr_t>(runtime.data());
  std::uint32_t size = sizeof info;
  if (const int status = ::bpf_obj_get_info_by_fd(program.fd, &info, &size); status != 0)
    return failed(program, status);
  for (const std::uint32_t id : runtime) {
    if (const std::uint32_t kept = world.kept_id(Referent::map, id); kept != 0) out.push_back(kept);
  }
  return out;
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/event_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "cli/event_fields.h"
#include "exec/event.h"
#include "exec/socket.h"
#include "exec/task.h"

namespace forager::cli {
namespace {

using namespace strict;  // NOLINT(google-build-using-namespace): the words that this file is written in

exec::TracedMemory memory_piece(const Json& object, const std::string& where) {
  allow_only(object, where, {"address", "user", "hex", "text"});
  if (object.contains("hex") == object.contains("text")) bad(where + " needs either \"hex\" or \"text\"");
  exec::TracedMemory piece{.address = wide(object, where, "address"), .user = flag(object, where, "user")};
  std::string content = object.contains("hex") ? bytes(object, where, "hex") : text(object, where, "text");
  if (object.contains("text")) content += '\0';
  piece.bytes = to_bytes(content);
  if (piece.address + piece.bytes.size() < piece.address) bad(where + " goes over the end of the address space");
  return piece;
}

void read_comm(const Json& object, exec::Task& task) {
  if (!object.contains("comm")) return;
  const std::string comm = text(object, "\"task\"", "comm");
  if (comm.size() >= task.comm.size()) bad("\"comm\" is longer than 15 bytes");
  std::ranges::copy(comm, task.comm.begin());
}

void read_cgroup(const Json& object, exec::Task& task) {
  const std::string where = "\"task\"";
  task.cgroup_id = wide_or(object, where, "cgroup", task.cgroup_id);
  task.cgroup_ancestors =
      object.contains("ancestors") ? wide_list(object, where, "ancestors") : std::vector<std::uint64_t>{task.cgroup_id};
  if (task.cgroup_ancestors.empty() || task.cgroup_ancestors.back() != task.cgroup_id) {
    bad("\"ancestors\" does not end with the cgroup itself");
  }
}

// A task's thread is its process where only one of them is said.
void read_task(const Json& object, exec::Task& task) {
  const std::string where = "\"task\"";
  allow_only(object, where,
             {"pid", "tgid", "uid", "gid", "comm", "cgroup", "ancestors", "classid", "kernel_stack", "user_stack"});
  const std::uint32_t group = number_or(object, where, "tgid", number_or(object, where, "pid", 0));
  task.pid_tgid = std::uint64_t{group} << 32 | number_or(object, where, "pid", group);
  task.uid_gid = std::uint64_t{number_or(object, where, "gid", 0)} << 32 | number_or(object, where, "uid", 0);
  task.classid = number_or(object, where, "classid", 0);
  task.kernel_stack = wide_list(object, where, "kernel_stack");
  task.user_stack = wide_list(object, where, "user_stack");
  read_comm(object, task);
  read_cgroup(object, task);
}

std::shared_ptr<const exec::Task> task_of(const Json& line) {
  auto task = std::make_shared<exec::Task>();
  task->cgroup_ancestors = {task->cgroup_id};
  if (line.contains("task")) read_task(line["task"], *task);
  if (!line.contains("memory")) return task;
  if (!line["memory"].is_array()) bad("\"memory\" is no list");
  for (std::size_t i = 0; i < line["memory"].size(); ++i) {
    task->memory.push_back(memory_piece(line["memory"][i], fmt::format("memory[{}]", i)));
  }
  return task;
}

exec::CounterValue counter_of(const Json& object) {
  const std::string where = "\"counter\"";
  allow_only(object, where, {"counter", "enabled_ns", "running_ns"});
  return {.counter = wide(object, where, "counter"),
          .enabled_ns = wide_or(object, where, "enabled_ns", 0),
          .running_ns = wide_or(object, where, "running_ns", 0)};
}

exec::SysctlEvent sysctl_of(const Json& object) {
  const std::string where = "\"sysctl\"";
  allow_only(object, where, {"name", "current", "new"});
  return {.name = text(object, where, "name"),
          .current = object.contains("current") ? text(object, where, "current") : "",
          .fresh = object.contains("new") ? text(object, where, "new") : ""};
}

constexpr std::uint64_t kBranchBytes = 24;

std::shared_ptr<exec::Event> event_of(const Json& line) {
  const std::string where = "the event";
  auto event = std::make_shared<exec::Event>();
  event->cookie = wide_or(line, where, "cookie", 0);
  event->function = wide_or(line, where, "function", 0);
  event->retval = static_cast<std::int32_t>(wide_or(line, where, "retval", 0));
  event->option_room = number_or(line, where, "option_room", event->option_room);
  if (line.contains("counter")) event->counter = counter_of(line["counter"]);
  if (line.contains("sysctl")) event->sysctl = sysctl_of(line["sysctl"]);
  if (line.contains("branches")) event->branches = to_bytes(bytes(line, where, "branches"));
  if (line.contains("saved_syn")) event->saved_syn = to_bytes(bytes(line, where, "saved_syn"));
  if (event->branches.size() % kBranchBytes != 0) bad("\"branches\" is no list of entries of 24 bytes");
  return event;
}

std::uint8_t small(const Json& object, const char* name, std::uint8_t otherwise) {
  const std::uint32_t value = number_or(object, "\"socket\"", name, otherwise);
  if (value > UINT8_MAX) bad(fmt::format("\"{}\" of the socket is over 255", name));
  return static_cast<std::uint8_t>(value);
}

std::uint16_t port(const Json& object, const char* name) {
  const std::uint32_t value = number_or(object, "\"socket\"", name, 0);
  if (value > UINT16_MAX) bad(fmt::format("\"{}\" of the socket is over 65535", name));
  return htons(static_cast<std::uint16_t>(value));
}

std::shared_ptr<exec::Socket> socket_of(const Json& object) {
  const std::string where = "\"socket\"";
  allow_only(object, where, {"local", "local_port", "remote", "remote_port", "protocol", "state", "uid"});
  const ParsedAddress local = address(text(object, where, "local"), where);
  exec::SocketAddresses addresses{.ipv6 = local.ipv6, .local = local.address};
  if (object.contains("remote")) {
    const ParsedAddress remote = address(text(object, where, "remote"), where);
    if (remote.ipv6 != local.ipv6) bad("the socket's addresses are of two families");
    addresses.remote = remote.address;
  }
  addresses.local_port = port(object, "local_port");
  addresses.remote_port = port(object, "remote_port");
  auto socket = std::make_shared<exec::Socket>(addresses, small(object, "protocol", IPPROTO_TCP),
                                               small(object, "state", exec::Socket::kEstablished));
  socket->uid = number_or(object, where, "uid", 0);
  return socket;
}

exec::Frame frame_of(const Json& line, const isa::ProgTypeRow& type) {
  allow_only(line, "the event",
             {"type", "time_ns", "context", "data", "task", "memory", "socket", "function", "cookie", "retval",
              "counter", "branches", "sysctl", "saved_syn", "option_room"});
  if (line.contains("type") && text(line, "the event", "type") != type.name) {
    bad(fmt::format("the event is of type {}, the program of type {}", text(line, "the event", "type"), type.name));
  }
  const std::string data = line.contains("data") ? bytes(line, "the event", "data") : std::string{};
  auto frame = exec::Frame::make(std::as_bytes(std::span(data)));
  if (!frame) bad(frame.error().text());
  if (line.contains("context")) fill_context(line["context"], *type.context, *frame);
  frame->timestamp_ns = wide_or(line, "the event", "time_ns", 0);
  frame->task = task_of(line);
  frame->event = event_of(line);
  if (line.contains("socket")) frame->socket = socket_of(line["socket"]);
  return std::move(*frame);
}

bool says_nothing(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

Result<> check_size(std::ifstream& file, const std::string& path) {
  file.seekg(0, std::ios::end);
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(file.tellg(), 0));
  file.seekg(0);
  if (size <= kMaxEventFile) return {};
  auto error = fail(ErrorKind::limit, E2BIG, path + ": too large, in bytes");
  error.error().limit = kMaxEventFile;
  error.error().asked = size;
  return error;
}

}  // namespace

Result<exec::Frame> parse_event(std::string_view line, isa::ProgType type) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  try {
    return frame_of(Json::parse(line), *row);
  } catch (const std::exception& error) {  // also nlohmann's parse errors
    return fail(ErrorKind::input, EINVAL, error.what());
  }
}

Result<std::vector<exec::Frame>> read_events(const std::string& path, isa::ProgType type) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  if (auto checked = check_size(file, path); !checked) return std::unexpected(checked.error());
  std::vector<exec::Frame> frames;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (says_nothing(line)) continue;
    auto frame = parse_event(line, type);
    if (!frame) return fail(ErrorKind::input, EINVAL, fmt::format("{}:{}: {}", path, number, frame.error().message));
    frame->id = frames.size();
    frames.push_back(std::move(*frame));
  }
  return frames;
}

}  // namespace forager::cli

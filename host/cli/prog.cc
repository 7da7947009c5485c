// SPDX-License-Identifier: Apache-2.0
//
// forager prog: load objects and keep them (cli/state.h), show, disassemble and run their programs. Judging them
// without keeping anything is prog_verify.cc's.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "cli/cli.h"
#include "cli/kept.h"
#include "cli/prog_dump.h"
#include "cli/state.h"
#include "isa/tables.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// A program of a loaded object.
struct LoadedProgram {
  std::optional<State> state;  // absent for a program straight from a file
  Saved saved;
  std::unique_ptr<api::ElfObject> object;
  bpf_program* program = nullptr;
  std::uint32_t id = 0;
};

Result<LoadedProgram> open_kept(const Cli& cli, const Selector& selector) {
  LoadedProgram out;
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  auto objects = state->list();
  if (!objects) return std::unexpected(objects.error());
  auto kept = one_program(*objects, selector);
  if (!kept) return std::unexpected(kept.error());
  out.saved = (*objects)[kept->object];
  out.id = kept->program.id;
  auto object = state->load(out.saved);
  if (!object) return std::unexpected(object.error());
  auto program = object->program(kept->program.name);
  if (!program) return std::unexpected(program.error());
  out.program = *program;
  out.object = std::make_unique<api::ElfObject>(std::move(*object));
  out.state.emplace(std::move(*state));
  return out;
}

Result<LoadedProgram> open_file(Words& words) {
  auto path = words.next("the object file");
  if (!path) return std::unexpected(path.error());
  auto object = api::ElfObject::open(*path);
  if (!object) return std::unexpected(object.error());
  const bool named = !words.empty() && words.peek() != "opcodes";
  auto program = object->program(named ? *words.next("the program") : "");
  if (!program) return std::unexpected(program.error());
  if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error());
  LoadedProgram out;
  out.program = *program;
  out.object = std::make_unique<api::ElfObject>(std::move(*object));
  return out;
}

// "id N", "name NAME" or "file prog.o [PROG]".
Result<LoadedProgram> open_program(const Cli& cli, Words& words) {
  if (words.take("file")) return open_file(words);
  auto selector = read_selector(words);
  if (!selector) return std::unexpected(selector.error());
  return open_kept(cli, *selector);
}

Result<bpf_prog_info> info_of(bpf_program* program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  const int status = ::bpf_obj_get_info_by_fd(::bpf_program__fd(program), &info, &size);
  if (status == 0) return info;
  return fail(ErrorKind::system, -status,
              fmt::format("program {}: {}", ::bpf_program__name(program), std::strerror(-status)));
}

std::string tag_text(const bpf_prog_info& info) {
  std::string out;
  for (const auto byte : info.tag) out += fmt::format("{:02x}", byte);
  return out;
}

Json program_json(const bpf_prog_info& info, const Saved& saved, const SavedProgram& program) {
  const isa::ProgTypeRow* type = isa::find_prog_type(info.type);
  Json maps = Json::array();
  for (const SavedMap& map : saved.maps) maps.push_back(map.id);
  return {{"id", program.id},
          {"type", type != nullptr ? std::string(type->name) : std::to_string(info.type)},
          {"name", program.name},
          {"tag", tag_text(info)},
          {"gpl_compatible", info.gpl_compatible != 0},
          {"loaded_at", saved.loaded_at},
          {"bytes_xlated", info.xlated_prog_len},
          {"map_ids", std::move(maps)},
          {"object", saved.name}};
}

std::string program_text(const Json& row) {
  std::string ids;
  for (const Json& id : row["map_ids"]) ids += fmt::format("{}{}", ids.empty() ? "" : ",", id.get<std::uint32_t>());
  return fmt::format("{}: {}  name {}  tag {}{}\n\tloaded_at {}  object {}\n\txlated {}B{}\n",
                     row["id"].get<std::uint32_t>(), row["type"].get<std::string>(), row["name"].get<std::string>(),
                     row["tag"].get<std::string>(), row["gpl_compatible"].get<bool>() ? "  gpl" : "",
                     row["loaded_at"].get<std::string>(), row["object"].get<std::string>(),
                     row["bytes_xlated"].get<std::uint32_t>(), ids.empty() ? "" : "  map_ids " + ids);
}

Result<> append_programs(const State& state, const Saved& saved, const std::optional<std::uint32_t>& only, Json& list) {
  auto object = state.load(saved);
  if (!object) return std::unexpected(object.error());
  for (const SavedProgram& program : saved.programs) {
    if (only && *only != program.id) continue;
    auto found = object->program(program.name);
    if (!found) return std::unexpected(found.error());
    auto info = info_of(*found);
    if (!info) return std::unexpected(info.error());
    list.push_back(program_json(*info, saved, program));
  }
  return {};
}

Result<> print_programs(const Cli& cli, const Json& list, bool one) {
  if (cli.wants_json()) {
    cli.print(one ? list.front() : list);
    return {};
  }
  for (const Json& row : list) cli.print(program_text(row));
  return {};
}

Result<> show(const Cli& cli, Words words) {
  std::optional<std::uint32_t> only;
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  auto objects = state->list();
  if (!objects) return std::unexpected(objects.error());
  if (!words.empty()) {
    auto selector = read_selector(words);
    if (!selector) return std::unexpected(selector.error());
    auto one = one_program(*objects, *selector);
    if (!one) return std::unexpected(one.error());
    only = one->program.id;
  }
  if (auto end = words.end(); !end) return end;
  Json list = Json::array();
  for (const Saved& saved : *objects) {
    if (auto appended = append_programs(*state, saved, only, list); !appended) return appended;
  }
  return print_programs(cli, list, only.has_value());
}

Result<> load(const Cli& cli, Words words) {
  auto path = words.next("the object file");
  if (!path) return std::unexpected(path.error());
  auto name = words.next("the name to keep it under");
  if (!name) return std::unexpected(name.error());
  if (auto end = words.end(); !end) return end;
  auto object = api::ElfObject::open(*path);
  if (!object) return std::unexpected(object.error());
  if (auto loaded = object->load(); !loaded) return loaded;
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  auto saved = state->add(*name, *object);
  if (!saved) return std::unexpected(saved.error());
  Json list = Json::array();
  if (auto appended = append_programs(*state, *saved, std::nullopt, list); !appended) return appended;
  return print_programs(cli, list, false);
}

Result<> unload(const Cli& cli, Words words) {
  auto name = words.next("the name of the object");
  if (!name) return std::unexpected(name.error());
  if (auto end = words.end(); !end) return end;
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  return state->remove(*name);
}

Result<> dump(const Cli& cli, Words words) {
  if (!words.take("xlated")) return usage_error("'xlated' is missing: it is the form that can be dumped");
  auto loaded = open_program(cli, words);
  if (!loaded) return std::unexpected(loaded.error());
  const bool opcodes = words.take("opcodes");
  if (auto end = words.end(); !end) return end;
  auto info = info_of(loaded->program);
  if (!info) return std::unexpected(info.error());
  const auto program = syscall::process().runtime.programs().find(info->id);
  if (!program) return fail(ErrorKind::bug, ENOENT, "the program is gone");
  if (cli.wants_json()) {
    cli.print(xlated_json(program->verified->program(), opcodes));
  } else {
    cli.print(xlated_text(program->verified->program(), opcodes));
  }
  return {};
}

// `prog run`: one packet through BPF_PROG_TEST_RUN, as bpftool does it.
struct TestRun {
  std::string data_in, data_out;
  std::uint32_t repeat = 1;
  std::string backend = "interp";
};

Result<TestRun> read_test_run(Words& words) {
  TestRun out;
  while (!words.empty()) {
    if (words.take("repeat")) {
      auto count = words.number("the count");
      if (!count) return std::unexpected(count.error());
      if (*count == 0 || *count > UINT32_MAX) return usage_error("repeat takes 1 to 4294967295");
      out.repeat = static_cast<std::uint32_t>(*count);
      continue;
    }
    std::string* target = words.take("data_in")    ? &out.data_in
                          : words.take("data_out") ? &out.data_out
                          : words.take("backend")  ? &out.backend
                                                   : nullptr;
    if (target == nullptr)
      return usage_error(
          fmt::format("unexpected '{}'; data_in, data_out, repeat or backend can stand here", words.peek()));
    auto value = words.next("its value");
    if (!value) return std::unexpected(value.error());
    *target = *value;
  }
  if (out.data_in.empty()) return usage_error("'data_in FILE' is missing");
  return out;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

Result<> write_output(const TestRun& request, const char* data, std::size_t size) {
  if (request.data_out.empty()) return {};
  std::ofstream file(request.data_out, std::ios::binary | std::ios::trunc);
  file.write(data, static_cast<std::streamsize>(size));
  file.close();
  if (!file) return fail(ErrorKind::input, EIO, fmt::format("{}: cannot write", request.data_out));
  return {};
}

Result<> run(const Cli& cli, Words words) {
  auto loaded = open_program(cli, words);
  if (!loaded) return std::unexpected(loaded.error());
  auto request = read_test_run(words);
  if (!request) return std::unexpected(request.error());
  auto packet = read_file(request->data_in);
  if (!packet) return std::unexpected(packet.error());
  syscall::process().runtime.settings.placement.backend = request->backend;
  std::vector<char> out(packet->size() + 4096);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet->data();
  options.data_size_in = static_cast<std::uint32_t>(packet->size());
  options.data_out = out.data();
  options.data_size_out = static_cast<std::uint32_t>(out.size());
  options.repeat = static_cast<int>(request->repeat);
  const int status = ::bpf_prog_test_run_opts(::bpf_program__fd(loaded->program), &options);
  if (status != 0) {
    return fail(ErrorKind::system, -status,
                fmt::format("program {}: test run on {}: {}", ::bpf_program__name(loaded->program), request->backend,
                            std::strerror(-status)));
  }
  if (auto written = write_output(*request, out.data(), options.data_size_out); !written) return written;
  if (loaded->state) {
    if (auto saved = loaded->state->save(loaded->saved, *loaded->object); !saved) return saved;
  }
  const std::string_view name = isa::return_name(isa::ProgType::xdp, options.retval);
  if (cli.wants_json()) {
    cli.print(Json{{"retval", options.retval},
                   {"verdict", name},
                   {"duration", options.duration},
                   {"data_size_out", options.data_size_out}});
  } else {
    cli.print(fmt::format("Return value: {} ({}), duration (average): {}ns, packet out: {} bytes\n", options.retval,
                          name, options.duration, options.data_size_out));
  }
  return {};
}

struct VerbRow {
  const char* name;
  const char* help;
  Result<> (*run)(const Cli&, Words);
};
constexpr VerbRow kVerbs[] = {
    {"load", "load an object and keep it: prog.o NAME", load},
    {"unload", "forget a kept object: NAME", unload},
    {"show", "programs of kept objects [id N | name PROG]", show},
    {"dump", "xlated { id N | name PROG | file prog.o [PROG] } [opcodes]", dump},
    {"run", "{ id N | name PROG | file prog.o [PROG] } data_in FILE [data_out FILE] [repeat N] [backend NAME]", run},
};

}  // namespace

void add_prog(CLI::App& app, Cli& cli) {
  CLI::App* object = app.add_subcommand("prog", "load, show, disassemble and run programs");
  object->require_subcommand(1);
  add_prog_verify(*object, cli);
  auto words = std::make_shared<std::vector<std::string>>();
  for (const VerbRow& row : kVerbs) {
    CLI::App* verb = object->add_subcommand(row.name, row.help);
    verb->add_option("words", *words);
    verb->callback(
        [&cli, words, run = row.run] { cli.action = [&cli, words, run] { return run(cli, Words(*words)); }; });
  }
}

}  // namespace forager::cli

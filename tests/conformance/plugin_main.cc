// SPDX-License-Identifier: Apache-2.0
//
// forager_conformance_plugin: the plug-in protocol of the public bpf_conformance suite.
//
//   forager_conformance_plugin [MEMORY] [--backend=NAME] [--elf] [--debug] [--program PROGRAM]
//
// MEMORY and the program are bytes in hex, with or without spaces between them; the program is read from standard input
// unless --program gives it. With --elf it is an ELF object (in hex as the suite sends it, or as it is). r0 goes to
// standard output in hex; an error goes to standard error as one line, with exit status 1 (2 for usage).
#include <cstring>
#include <iostream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "data_file.h"
#include "elf_program.h"
#include "executor.h"
#include "jit-backends/backends.h"
#include "runtime/environment.h"

namespace forager::conformance {
namespace {

struct Request {
  std::string memory;
  std::optional<std::string> program;  // absent: standard input
  std::string backend = "interp";
  bool elf = false;
};

[[noreturn]] void die(int status, const std::string& message) {
  std::cerr << "forager_conformance_plugin: " << message << "\n";
  std::exit(status);
}

// `argument` as "--name=value" or "--name" with the value in the next one, which is then consumed.
std::optional<std::string> value_of(std::string_view name, int argc, char** argv, int& at) {
  const std::string_view argument = argv[at];
  if (!argument.starts_with(name)) return {};
  if (argument.substr(name.size()).starts_with('=')) return std::string(argument.substr(name.size() + 1));
  if (argument != name) return {};
  if (at + 1 == argc) die(2, fmt::format("{} needs a value", name));
  return argv[++at];
}

Request parse(int argc, char** argv) {
  Request request;
  bool has_memory = false;
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument = argv[at];
    if (argument.empty() || argument == "--debug") continue;  // the suite's way of giving no option
    if (argument == "--elf") {
      request.elf = true;
    } else if (auto backend = value_of("--backend", argc, argv, at)) {
      request.backend = *backend;
    } else if (auto program = value_of("--program", argc, argv, at)) {
      request.program = std::move(program);
    } else if (argument.starts_with("-") || has_memory) {
      die(2, fmt::format("unexpected argument '{}'; usage: [MEMORY] [--backend=NAME] [--elf] [--debug] [--program HEX]",
                         argument));
    } else {
      request.memory = argument;
      has_memory = true;
    }
  }
  return request;
}

template <class T>
T or_die(Result<T> result, std::string_view what) {
  if (!result) die(1, fmt::format("{}: {}", what, result.error().text()));
  return std::move(*result);
}

std::string read_input() { return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()}; }

// An ELF object may also come as it is.
std::vector<std::byte> program_bytes(const Request& request) {
  const std::string text = request.program ? *request.program : read_input();
  if (!request.elf || !text.starts_with("\x7f"
                                        "ELF"))
    return or_die(parse_hex_bytes(text), "program");
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::uint64_t run_slots(const Request& request, std::span<const std::byte> program, std::span<const std::byte> memory) {
  const exec::Backend* backend = jit::find_backend(request.backend);
  const exec::Environment environment = runtime::host_environment();
  auto slots = or_die(slots_from_bytes(program), "program");
  Executor executor = or_die(Executor::open(*backend, environment), request.backend);
  const Answer answer = executor.run(std::move(slots), memory);
  if (answer.error) die(1, answer.error->text());
  return answer.r0;
}

int run(int argc, char** argv) {
  const Request request = parse(argc, argv);
  if (jit::find_backend(request.backend) == nullptr) die(2, fmt::format("no backend is called '{}'", request.backend));
  const auto memory = or_die(parse_hex_bytes(request.memory), "memory");
  if (memory.size() > exec::kMaxPacketBytes) {
    die(1, fmt::format("memory of {} bytes, limit {}", memory.size(), exec::kMaxPacketBytes));
  }
  const auto program = program_bytes(request);
  const std::uint64_t r0 =
      request.elf ? or_die(run_elf(program, memory, request.backend), "--elf") : run_slots(request, program, memory);
  std::cout << fmt::format("{:x}\n", r0);
  return 0;
}

}  // namespace
}  // namespace forager::conformance

int main(int argc, char** argv) { return forager::conformance::run(argc, argv); }

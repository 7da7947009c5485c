// SPDX-License-Identifier: Apache-2.0
//
// forager prog run: one packet, or one context, through BPF_PROG_TEST_RUN, as bpftool does it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/hex_view.h"
#include "cli/prog_verbs.h"
#include "cli/program_source.h"
#include "isa/tables.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint32_t kDefaultOut = 32U << 10;  // bytes, as bpftool has it; programs may make packets longer

struct Asked {
  std::string data_in, data_out, ctx_in, ctx_out, backend = "interp";  // files; "-" is standard input or output
  std::uint32_t data_size_out = 0, ctx_size_out = 0, repeat = 1;       // 0: as much as is needed
};

struct TextOption {
  const char* word;
  std::string Asked::* into;
};
constexpr TextOption kTexts[] = {{"data_in", &Asked::data_in},
                                 {"data_out", &Asked::data_out},
                                 {"ctx_in", &Asked::ctx_in},
                                 {"ctx_out", &Asked::ctx_out},
                                 {"backend", &Asked::backend}};
struct NumberOption {
  const char* word;
  std::uint32_t Asked::* into;
};
constexpr NumberOption kNumbers[] = {
    {"data_size_out", &Asked::data_size_out}, {"ctx_size_out", &Asked::ctx_size_out}, {"repeat", &Asked::repeat}};

// These words share beginnings, and so none may be shortened.
bool take_whole(Words& words, const char* word) { return words.peek() == word && words.take(word); }

Result<> read_option(Words& words, Asked& asked) {
  for (const TextOption& option : kTexts) {
    if (!take_whole(words, option.word)) continue;
    auto value = words.next("its value");
    if (!value) return std::unexpected(value.error());
    asked.*option.into = *value;
    return {};
  }
  for (const NumberOption& option : kNumbers) {
    if (!take_whole(words, option.word)) continue;
    auto value = words.number(option.word);
    if (!value) return std::unexpected(value.error());
    if (*value == 0 || *value > INT32_MAX) return usage_error(fmt::format("{} takes 1 to 2147483647", option.word));
    asked.*option.into = static_cast<std::uint32_t>(*value);
    return {};
  }
  return usage_error(
      fmt::format("unexpected '{}'; data_in, data_out, data_size_out, ctx_in, ctx_out, ctx_size_out, repeat or backend "
                  "can stand here",
                  words.peek()));
}

Result<Asked> read_options(Words& words) {
  Asked out;
  while (!words.empty()) {
    if (auto read = read_option(words, out); !read) return std::unexpected(read.error());
  }
  if (out.data_in.empty() && out.ctx_in.empty()) return usage_error("'data_in FILE' is missing");
  return out;
}

Result<std::string> read_file(const std::string& path) {
  if (path.empty()) return std::string{};
  if (path == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

Result<> write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return fail(ErrorKind::input, EIO, fmt::format("{}: cannot write", path));
  return {};
}

// What goes in and comes out.
struct Buffers {
  std::string data_in, ctx_in, data_out, ctx_out;
  std::uint32_t retval = 0, duration = 0;
};

Result<Buffers> read_buffers(const Asked& asked) {
  Buffers out;
  auto data = read_file(asked.data_in);
  if (!data) return std::unexpected(data.error());
  auto context = read_file(asked.ctx_in);
  if (!context) return std::unexpected(context.error());
  out.data_in = std::move(*data);
  out.ctx_in = std::move(*context);
  const bool wants_data = !asked.data_out.empty() || asked.data_size_out != 0;
  if (wants_data) out.data_out.resize(asked.data_size_out != 0 ? asked.data_size_out : kDefaultOut);
  if (!asked.ctx_out.empty()) out.ctx_out.resize(asked.ctx_size_out != 0 ? asked.ctx_size_out : kDefaultOut);
  return out;
}

Result<> execute(const ProgramHandle& program, const Asked& asked, Buffers& buffers) {
  syscall::process().runtime.settings.placement.backend = asked.backend;
  LIBBPF_OPTS(bpf_test_run_opts, options);
  const auto give = [](const std::string& bytes, auto& pointer, auto& size) {
    pointer = bytes.empty() ? nullptr : bytes.data();
    size = static_cast<std::uint32_t>(bytes.size());
  };
  const auto take = [](std::string& bytes, auto& pointer, auto& size) {
    pointer = bytes.empty() ? nullptr : bytes.data();
    size = static_cast<std::uint32_t>(bytes.size());
  };
  give(buffers.data_in, options.data_in, options.data_size_in);
  give(buffers.ctx_in, options.ctx_in, options.ctx_size_in);
  take(buffers.data_out, options.data_out, options.data_size_out);
  take(buffers.ctx_out, options.ctx_out, options.ctx_size_out);
  options.repeat = static_cast<int>(asked.repeat);
  if (const int status = ::bpf_prog_test_run_opts(program.fd, &options); status != 0)
    return fail(ErrorKind::system, -status,
                fmt::format("program {}: test run on {}: {}", program.name, asked.backend, std::strerror(-status)));
  buffers.data_out.resize(std::min<std::size_t>(buffers.data_out.size(), options.data_size_out));
  buffers.ctx_out.resize(std::min<std::size_t>(buffers.ctx_out.size(), options.ctx_size_out));
  buffers.retval = options.retval;
  buffers.duration = options.duration;
  return {};
}

Json numbers(const std::string& bytes) {
  Json out = Json::array();
  for (const char c : bytes) out.push_back(static_cast<unsigned char>(c));
  return out;
}

// Files get bytes; standard output gets them in the document, or as a hex dump.
Result<> put(const Cli& cli, const std::string& path, const std::string& bytes, const char* member, Json& document) {
  if (path.empty()) return {};
  if (path != "-") return write_bytes(path, bytes);
  if (cli.wants_json()) {
    document[member] = numbers(bytes);
  } else {
    cli.print(hex_view(bytes));
  }
  return {};
}

std::string summary(const ProgramHandle& program, const Asked& asked, const Buffers& buffers) {
  const isa::ProgTypeRow* type = isa::find_prog_type(static_cast<std::uint32_t>(::bpf_program__type(program.program)));
  const std::string_view name = type != nullptr ? isa::return_name(type->type, buffers.retval) : std::string_view{};
  return fmt::format("Return value: {}{}, duration{}: {}ns\n", buffers.retval,
                     name.empty() ? "" : fmt::format(" ({})", name), asked.repeat > 1 ? " (average)" : "",
                     buffers.duration);
}

}  // namespace

Result<> prog_run(const Cli& cli, Words words) {
  auto source = open_program(cli, words, {"data_in", "ctx_in", "backend", "repeat"});
  if (!source) return std::unexpected(source.error());
  auto asked = read_options(words);
  if (!asked) return std::unexpected(asked.error());
  auto buffers = read_buffers(*asked);
  if (!buffers) return std::unexpected(buffers.error());
  if (auto done = execute(source->program, *asked, *buffers); !done) return done;
  Json document = Json::object();
  if (auto put_data = put(cli, asked->data_out, buffers->data_out, "data_out", document); !put_data) return put_data;
  if (auto put_ctx = put(cli, asked->ctx_out, buffers->ctx_out, "ctx_out", document); !put_ctx) return put_ctx;
  if (auto saved = source->save(); !saved) return saved;
  document["retval"] = buffers->retval;
  document["duration"] = buffers->duration;
  if (cli.wants_json()) {
    cli.print(document);
  } else {
    cli.print(summary(source->program, *asked, *buffers));
  }
  return {};
}

}  // namespace forager::cli

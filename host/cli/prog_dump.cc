// SPDX-License-Identifier: Apache-2.0
//
// forager prog dump.
#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "cli/jited.h"
#include "cli/prog_verbs.h"
#include "cli/program_source.h"
#include "cli/xlated.h"
#include "jit-backends/backends.h"

namespace forager::cli {
namespace {

struct Asked {
  XlatedView view;
  std::string file;  // where the raw instructions go; empty: none
};

Result<Asked> read_form(Words& words) {
  Asked out;
  if (words.take("file")) {
    auto file = words.next("the file");
    if (!file) return std::unexpected(file.error());
    out.file = *file;
  } else if (words.take("visual")) {
    return usage_error("'visual' is not built: opcodes, linum or file FILE can stand here");
  } else {
    out.view.opcodes = words.take("opcodes");
    out.view.lines = words.take("linum");
  }
  if (auto end = words.end(); !end) return std::unexpected(end.error());
  return out;
}

Result<> write_image(std::span<const std::byte> bytes, const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return fail(ErrorKind::input, EIO, fmt::format("{}: cannot write", path));
  return {};
}

Result<> print(const Cli& cli, const program::Program& program, const Asked& asked) {
  if (!asked.file.empty()) {
    if (auto written = write_image(std::as_bytes(program.slots()), asked.file); !written) return written;
    cli.print_nothing();
  } else if (cli.wants_json()) {
    cli.print(xlated_json(program, asked.view));
  } else {
    cli.print(xlated_text(program, asked.view));
  }
  return {};
}

Result<> print_jited(const Cli& cli, const std::shared_ptr<const verifier::VerifiedProgram>& program,
                     const Asked& asked) {
  auto image = jited(program);
  if (!image) return std::unexpected(std::move(image.error()));
  if (!asked.file.empty()) {
    if (auto written = write_image((*image)->code().bytes, asked.file); !written) return written;
    cli.print_nothing();
  } else if (cli.wants_json()) {
    cli.print(jited_json(**image, asked.view.opcodes));
  } else {
    cli.print((*image)->listing());
  }
  return {};
}

// What other engines than the JITs get, by the backend's name.
constexpr std::string_view kListings[] = {"rtl", "opencl"};

Result<> print_listing(const Cli& cli, const std::shared_ptr<const verifier::VerifiedProgram>& program,
                       std::string_view backend) {
  auto image = jit::find_backend(backend)->compile(program, {});
  if (!image) return std::unexpected(std::move(image.error()));
  if (cli.wants_json()) return usage_error(fmt::format("what {} gets is text only", backend));
  cli.print((*image)->listing());
  return {};
}

std::string_view take_listing(Words& words) {
  for (const std::string_view backend : kListings) {
    if (words.take(backend)) return backend;
  }
  return {};
}

}  // namespace

Result<> prog_dump(const Cli& cli, Words words) {
  const bool machine_code = words.take("jited");
  const std::string_view listing = machine_code ? std::string_view{} : take_listing(words);
  if (!machine_code && listing.empty() && !words.take("xlated"))
    return usage_error("'xlated', 'jited', 'rtl' or 'opencl' is missing");
  auto source = open_program(cli, words, {"file", "opcodes", "linum", "visual"});
  if (!source) return std::unexpected(source.error());
  auto asked = read_form(words);
  if (!asked) return std::unexpected(asked.error());
  auto program = runtime_program(source->program);
  if (!program) return std::unexpected(program.error());
  if (machine_code) return print_jited(cli, (*program)->verified, *asked);
  if (!listing.empty()) return print_listing(cli, (*program)->verified, listing);
  asked->view.types = source->program.types;
  return print(cli, (*program)->verified->program(), *asked);
}

}  // namespace forager::cli

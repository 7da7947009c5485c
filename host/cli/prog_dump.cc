// SPDX-License-Identifier: Apache-2.0
//
// forager prog dump.
#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "cli/jited.h"
#include "cli/live_run.h"
#include "cli/prog_verbs.h"
#include "cli/program_source.h"
#include "cli/xlated.h"
#include "jit-backends/backends.h"
#include "runtime/session.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

struct Asked {
  XlatedView view;
  std::string file;                  // where the raw instructions go; empty: none
  std::vector<std::string> packets;  // that the program runs over before it is shown
};

Result<Asked> read_form(Words& words) {
  Asked out;
  if (words.take("run")) {
    auto file = words.next("the capture");
    if (!file) return std::unexpected(file.error());
    auto packets = read_packets(*file);
    if (!packets) return std::unexpected(packets.error());
    out.packets = std::move(*packets);
  } else if (words.take("file")) {
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

Result<> print_schedule(const Cli& cli, const std::shared_ptr<runtime::ProgramObject>& program, const Asked& asked) {
  if (cli.wants_json() || !asked.file.empty()) return usage_error("the schedule is text on standard output only");
  if (!asked.packets.empty() && program->type() != isa::ProgType::xdp)
    return fail(ErrorKind::unsupported, EOPNOTSUPP, "packets of a capture run through XDP programs");
  runtime::SessionOptions options;
  options.placement.backend = "rtl";
  auto session = runtime::Session::open(syscall::process().runtime.environment, program, options);
  if (!session) return std::unexpected(std::move(session.error()));
  if (!asked.packets.empty()) {
    auto frames = frames_of(asked.packets);
    if (!frames) return std::unexpected(std::move(frames.error()));
    if (auto ran = session->run(*frames); !ran) return std::unexpected(std::move(ran.error()));
  }
  cli.print(session->image().listing());
  return {};
}

Result<> print_kernel(const Cli& cli, const std::shared_ptr<const verifier::VerifiedProgram>& program,
                      const Asked& asked) {
  if (cli.wants_json() || !asked.file.empty()) return usage_error("the kernel is text on standard output only");
  auto image = jit::find_backend("opencl")->compile(program, {});
  if (!image) return std::unexpected(std::move(image.error()));
  cli.print((*image)->listing());
  return {};
}

}  // namespace

Result<> prog_dump(const Cli& cli, Words words) {
  const bool machine_code = words.take("jited"), schedule = !machine_code && words.take("rtl");
  const bool kernel = !machine_code && !schedule && words.take("opencl");
  if (!machine_code && !schedule && !kernel && !words.take("xlated"))
    return usage_error("'xlated', 'jited', 'rtl' or 'opencl' is missing");
  auto source = open_program(cli, words, {"file", "opcodes", "linum", "visual", "run"});
  if (!source) return std::unexpected(source.error());
  auto asked = read_form(words);
  if (!asked) return std::unexpected(asked.error());
  auto program = runtime_program(source->program);
  if (!program) return std::unexpected(program.error());
  if (!schedule && !asked->packets.empty()) return usage_error("'run FILE' is for rtl, whose cycles are measured");
  if (machine_code) return print_jited(cli, (*program)->verified, *asked);
  if (schedule) return print_schedule(cli, *program, *asked);
  if (kernel) return print_kernel(cli, (*program)->verified, *asked);
  asked->view.types = source->program.types;
  return print(cli, (*program)->verified->program(), *asked);
}

}  // namespace forager::cli

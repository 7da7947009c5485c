// SPDX-License-Identifier: Apache-2.0
//
// forager prog verify: the verifier's verdict on every program of an object, with what it cost, what it found out, and
// for a refused one the whole story. Nothing is kept and nothing can run: maps of types that are not built are good
// enough to verify against.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <memory>

#include "cli/alone.h"
#include "cli/cli.h"
#include "cli/verify_result.h"
#include "isa/tables.h"
#include "runtime/runtime.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

constexpr unsigned kWholeLog = 2;  // bpf_attr.log_level: every state

struct Arguments {
  std::string object, program, type;
  VerifyView view;
  verifier::Options options;
};

void judge_only(const Arguments& arguments) {
  runtime::Settings& settings = syscall::process().runtime.settings;
  settings.verify_only = true;
  settings.verify = arguments.options;
  if (arguments.view.log) settings.verify.log_level = kWholeLog;
}

ProgramVerdict blank_verdict(const bpf_program* program) {
  const isa::ProgTypeRow* type = isa::find_prog_type(static_cast<std::uint32_t>(::bpf_program__type(program)));
  return {.name = ::bpf_program__name(program),
          .type = type != nullptr ? std::string(type->name) : "unknown",
          .section = ::bpf_program__section_name(program)};
}

void fill(ProgramVerdict& verdict, const runtime::LoadAttempt& attempt) {
  verdict.examined = true;
  verdict.instructions = attempt.source.slots.size();
  verdict.verify_ns = attempt.verify_ns;
  verdict.report = attempt.report;
  if (attempt.error != nullptr) verdict.refused = *attempt.error;
  if (attempt.program != nullptr) verdict.program = attempt.program->verified;
}

Result<VerifyResult> verify_object(const Arguments& arguments) {
  auto object = api::ElfObject::open(arguments.object, {.program_type = arguments.type});
  if (!object) return std::unexpected(std::move(object.error()));
  if (!arguments.program.empty()) {
    if (auto named = object->program(arguments.program); !named) return std::unexpected(std::move(named.error()));
  }
  VerifyResult result{.object = arguments.object};
  for (const bpf_program* program : object->programs()) {
    if (!arguments.program.empty() && arguments.program != ::bpf_program__name(program)) continue;
    ProgramVerdict verdict = blank_verdict(program);
    auto loaded = load_alone(arguments.object, verdict.name, {.program_type = arguments.type, .tried = true},
                             [&](const runtime::LoadAttempt& attempt) { fill(verdict, attempt); });
    if (!loaded) verdict.refused = std::move(loaded.error());
    result.programs.push_back(std::move(verdict));
  }
  return result;
}

Result<> verify(const Cli& cli, const Arguments& arguments) {
  judge_only(arguments);
  const auto result = verify_object(arguments);
  if (!result) return std::unexpected(result.error());
  if (cli.wants_json()) {
    cli.print(to_json(*result, arguments.view));
  } else {
    cli.print(to_text(*result, arguments.view));
  }
  if (result->refused() == 0) return {};
  if (cli.wants_json()) return told_already();
  return fail(
      ErrorKind::rejected, EINVAL,
      fmt::format("{}: {} of {} programs refused", arguments.object, result->refused(), result->programs.size()));
}

}  // namespace

void add_prog_verify(CLI::App& object, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  verifier::Options& options = arguments->options;
  CLI::App* verb = object.add_subcommand("verify", "judge an object's programs, and show what was proved about them");
  verb->add_option("object", arguments->object, "BPF object file (clang -target bpf)")->required();
  verb->add_option("--prog", arguments->program, "only this program");
  verb->add_option("--type", arguments->type, "program type of programs whose section names none");
  verb->add_flag("--facts", arguments->view.facts, "show what is known about each instruction");
  verb->add_flag("-v,--verbose", arguments->view.log, "show the verifier's log: every state it went through");
  verb->add_flag("--strict-alignment", options.strict_alignment, "refuse accesses that may be misaligned");
  verb->add_flag("--strict-loops", options.strict_loops, "refuse every loop");
  verb->add_flag("--allow-uninit-stack", options.allow_uninitialised_stack,
                 "let programs read stack bytes that they never wrote, as Linux does for root");
  verb->add_option("--limit", options.instruction_limit, "instructions processed before a program is too complex")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{isa::kMaxInstructions}))
      ->capture_default_str();
  verb->callback([&cli, arguments] { cli.action = [&cli, arguments] { return verify(cli, *arguments); }; });
}

}  // namespace forager::cli

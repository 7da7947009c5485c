// SPDX-License-Identifier: Apache-2.0
//
// forager explain: every backend's yes or its blockers, for each program of an object, before anything is loaded.
//
// Programs come from libbpf's own load: relocated, with their BTF line info. The runtime shows each attempt, so a
// program that verification refuses is explained like any other. A map that cannot be created would end the load before
// the first program; such maps are judged first.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "cli/alone.h"
#include "cli/cli.h"
#include "cli/run_result.h"
#include "cli/story.h"
#include "isa/tables.h"
#include "jit-backends/backends.h"
#include "jit-backends/rtl/delegations.h"
#include "runtime/explain.h"
#include "runtime/runtime.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string object, program;
};

constexpr std::string_view kDelegates = "rtl";  // the backend that leaves parts of a program to the host

// What was found out about one program.
struct Judgement {
  std::string program;
  std::optional<Diagnostic> refused;  // by verification: no backend can help
  runtime::Explanation explanation;
  std::vector<jit::rtl::Delegation> delegated;  // of kDelegates
};

struct Findings {
  std::vector<Diagnostic> maps;  // maps that the runtime cannot create
  std::vector<Judgement> programs;
  [[nodiscard]] bool all_taken() const {
    for (const Judgement& judged : programs) {
      if (!judged.explanation.nearest) return false;
    }
    return maps.empty();
  }
};

Judgement judge(const runtime::LoadAttempt& attempt) {
  Judgement out;
  out.program = attempt.source.name;
  if (attempt.error != nullptr) out.refused = *attempt.error;
  if (attempt.program != nullptr) {
    out.explanation = runtime::explain(*attempt.program->verified);
    out.delegated = jit::rtl::delegations(attempt.program->verified);
  }
  return out;
}

Result<Judgement> judge_alone(const std::string& path, const std::string& name) {
  Judgement found;
  auto loaded =
      load_alone(path, name, {.tried = true}, [&](const runtime::LoadAttempt& attempt) { found = judge(attempt); });
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  found.program = name;
  return found;
}

Result<Findings> find_out(const Arguments& arguments) {
  auto object = api::ElfObject::open(arguments.object);
  if (!object) return std::unexpected(object.error());
  if (!arguments.program.empty()) {
    if (auto named = object->program(arguments.program); !named) return std::unexpected(named.error());
  }
  Findings out;
  out.maps = object->map_faults();
  if (!out.maps.empty()) return out;
  for (bpf_program* program : object->programs()) {
    const std::string name = ::bpf_program__name(program);
    if (!arguments.program.empty() && arguments.program != name) continue;
    auto judged = judge_alone(arguments.object, name);
    if (!judged) return std::unexpected(judged.error());
    out.programs.push_back(std::move(*judged));
  }
  return out;
}

Json to_json(const runtime::BackendVerdict& verdict) {
  Json out = {{"backend", verdict.backend}, {"takes", verdict.takes}, {"blockers", Json::array()}};
  for (const runtime::Blocker& blocker : verdict.blockers) {
    Json row = {{"blocks", to_string(blocker.kind)}, {"name", blocker.name}};
    row.update(cli::to_json(blocker.diagnostic));
    out["blockers"].push_back(std::move(row));
  }
  return out;
}

Json to_json(const std::vector<jit::rtl::Delegation>& delegated) {
  Json out = Json::array();
  for (const auto& one : delegated) {
    out.push_back({{"what", one.what}, {"instructions", one.times}});
    if (one.instruction != program::kNone) out.back()["instruction"] = one.instruction;
  }
  return out;
}

Json to_json(const Judgement& judged) {
  Json out = {{"program", judged.program}, {"verified", !judged.refused}};
  if (judged.refused) out["refused"] = cli::to_json(*judged.refused);
  out["backends"] = Json::array();
  for (const auto& verdict : judged.explanation.backends) {
    out["backends"].push_back(to_json(verdict));
    if (verdict.takes && verdict.backend == kDelegates) out["backends"].back()["delegated"] = to_json(judged.delegated);
  }
  out["nearest"] = judged.explanation.nearest ? Json(*judged.explanation.nearest) : Json(nullptr);
  return out;
}

Json to_json(const std::string& object, const Findings& findings) {
  Json out = {{"schema", "forager-explain"},
              {"version", 1},
              {"object", object},
              {"maps", Json::array()},
              {"programs", Json::array()}};
  for (const Diagnostic& map : findings.maps) out["maps"].push_back(cli::to_json(map));
  for (const Judgement& judged : findings.programs) out["programs"].push_back(to_json(judged));
  return out;
}

std::string to_text(const runtime::BackendVerdict& verdict, const std::optional<std::string>& nearest) {
  if (verdict.takes) return fmt::format("  {:<10} yes\n", verdict.backend);
  std::string out = fmt::format("  {:<10} no{}\n", verdict.backend, nearest ? fmt::format(" (take {})", *nearest) : "");
  for (const runtime::Blocker& blocker : verdict.blockers) {
    out += fmt::format("  {:<10} - {} {}: {}\n", "", to_string(blocker.kind), blocker.name, blocker.diagnostic.text());
  }
  return out;
}

// What the device leaves to the host.
std::string to_text(const std::vector<jit::rtl::Delegation>& delegated) {
  if (delegated.empty()) return {};
  std::string out =
      fmt::format("  {:<10} by the host, some {} cycles and more each time:", "", jit::rtl::kRequestCycles);
  for (const auto& one : delegated) {
    out += fmt::format("{} {}", &one == &delegated.front() ? "" : ",", one.what);
    if (one.instruction != program::kNone) out += fmt::format(" (instruction {})", one.instruction);
  }
  return out + "\n";
}

std::string to_text(const Findings& findings) {
  std::string out;
  for (const Diagnostic& map : findings.maps) out += fmt::format("no backend: {}\n", map.text());
  for (const Judgement& judged : findings.programs) {
    out += judged.program + "\n";
    if (judged.refused) {
      out += fmt::format("  no backend: verification refused it: {}\n{}", judged.refused->text(),
                         story_of(*judged.refused, "    "));
    }
    for (const auto& verdict : judged.explanation.backends) {
      out += to_text(verdict, judged.explanation.nearest);
      if (verdict.takes && verdict.backend == kDelegates) out += to_text(judged.delegated);
    }
  }
  return out;
}

Result<> explain(const Cli& cli, const Arguments& arguments) {
  auto findings = find_out(arguments);
  if (!findings) return std::unexpected(findings.error());
  if (cli.wants_json()) {
    cli.print(to_json(arguments.object, *findings));
  } else {
    cli.print(to_text(*findings));
  }
  if (findings->all_taken()) return {};
  if (cli.wants_json()) return told_already();
  return fail(ErrorKind::unsupported, EOPNOTSUPP, fmt::format("{}: no backend takes all of it", arguments.object));
}

}  // namespace

void add_explain(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb =
      app.add_subcommand("explain", "say which backends take a program, and what keeps the others from it");
  verb->add_option("object", arguments->object, "BPF object file")->required();
  verb->add_option("--prog", arguments->program, "only this program");
  verb->callback([&cli, arguments] { cli.action = [&cli, arguments] { return explain(cli, *arguments); }; });
}

}  // namespace forager::cli

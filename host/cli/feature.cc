// SPDX-License-Identifier: Apache-2.0
//
// forager feature: what each backend takes, from the tables and its Capabilities; `probe` is bpftool's, on our bpf(2).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/probe.h"
#include "cli/verbs.h"
#include "exec/backend.h"
#include "isa/isa.h"
#include "isa/tables.h"
#include "jit-backends/backends.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

Json program_types(const exec::Capabilities& capabilities) {
  Json out = Json::array();
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    const auto& types = capabilities.program_types;
    if (std::find(types.begin(), types.end(), row.type) != types.end()) out.push_back(row.name);
  }
  return out;
}

Json map_types(const exec::Capabilities& capabilities) {
  Json out = Json::array();
  for (const isa::MapRow& row : isa::maps()) {
    const auto number = static_cast<std::size_t>(row.type);
    if (number < capabilities.map_types.size() && capabilities.map_types.test(number)) out.push_back(row.name);
  }
  return out;
}

// Those that some program type of the backend may call.
Json helpers(const exec::Capabilities& capabilities) {
  isa::ProgTypeSet callers = 0;
  for (const isa::ProgType type : capabilities.program_types) callers |= isa::set_of(type);
  Json out = Json::array();
  for (const isa::HelperRow& row : isa::helpers()) {
    const bool native = row.id < capabilities.helpers.size() && capabilities.helpers.test(row.id);
    if (native && (row.program_types & callers) != 0) out.push_back(row.name);
  }
  return out;
}

// A conformance group is taken if every instruction of it is. What Linux refuses too does not count, nor do the forms
// of lddw, which name things of the loader.
Json groups(const exec::Capabilities& capabilities) {
  std::array<bool, isa::kGroupNames.size()> whole;
  whole.fill(true);
  for (const isa::Row& row : isa::rows()) {
    const bool refused_by_linux = row.op == isa::Op::callx || row.op == isa::Op::call_kfunc;
    const bool loader_form = row.form == isa::Form::wide && row.op != isa::Op::lddw;
    if (refused_by_linux || loader_form || capabilities.ops.test(static_cast<std::size_t>(row.op))) continue;
    whole[static_cast<std::size_t>(row.group)] = false;
  }
  Json out = Json::array();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i]) out.push_back(isa::kGroupNames[i]);
  }
  return out;
}

Json describe(const jit::BackendRow& row) {
  const exec::Capabilities& capabilities = row.get().capabilities();
  Json out = {{"name", row.name}, {"summary", row.summary}, {"available", capabilities.available}};
  if (!capabilities.available) out["reason"] = capabilities.reason;
  out["instruction_groups"] = groups(capabilities);
  out["program_types"] = program_types(capabilities);
  out["map_types"] = map_types(capabilities);
  out["helpers"] = helpers(capabilities);
  out["max_instructions"] = capabilities.max_slots;
  out["packet_bytes"] = {capabilities.min_packet_bytes, capabilities.max_packet_bytes};
  return out;
}

std::string wrapped(const std::string& label, const Json& names) {
  constexpr std::size_t kWidth = 100, kIndent = 16;
  std::string out = fmt::format("  {:<14}", label), line;
  for (const Json& name : names) {
    const std::string word = name.get<std::string>();
    if (line.size() + word.size() + 1 > kWidth - kIndent) {
      out += line + "\n" + std::string(kIndent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line + "\n";
}

std::string to_text(const Json& backend) {
  std::string out = fmt::format("{}: {}\n", backend["name"].get<std::string>(), backend["summary"].get<std::string>());
  if (!backend["available"].get<bool>())
    out += fmt::format("  not available: {}\n", backend["reason"].get<std::string>());
  constexpr std::pair<const char*, const char*> kLists[] = {{"instructions", "instruction_groups"},
                                                            {"program types", "program_types"},
                                                            {"map types", "map_types"},
                                                            {"helpers", "helpers"}};
  for (const auto& [label, list] : kLists) out += wrapped(label, backend[list]);
  return out + fmt::format("  limits        {} instructions, packets of {} to {} bytes\n",
                           backend["max_instructions"].get<std::uint64_t>(),
                           backend["packet_bytes"][0].get<std::uint64_t>(),
                           backend["packet_bytes"][1].get<std::uint64_t>());
}

Result<> backends(const Cli& cli, Words words) {
  if (auto end = words.end(); !end) return end;
  Json document = {{"schema", "forager-feature"}, {"version", 1}, {"backends", Json::array()}};
  for (const jit::BackendRow& row : jit::backends()) document["backends"].push_back(describe(row));
  if (cli.wants_json()) {
    cli.print(document);
    return {};
  }
  std::string out;
  for (const Json& backend : document["backends"]) out += (out.empty() ? "" : "\n") + to_text(backend);
  cli.print(out);
  return {};
}

Result<> probe(const Cli& cli, Words words) {
  bool full = false;
  while (!words.empty()) {
    if (words.take("full")) {
      full = true;
    } else if (words.take("dev")) {
      return usage_error("'dev' names a device of the kernel; `forager feature` tells what each backend takes");
    } else if (!words.take("kernel") && !words.take("unprivileged")) {
      return usage_error(fmt::format("unexpected '{}'; kernel, full or unprivileged can stand here", words.peek()));
    }
  }
  const Json features = probe_features(full);
  if (cli.wants_json()) {
    cli.print(features);
  } else {
    cli.print(features_text(features));
  }
  return {};
}

template <class Rows>
Json names_of(const Rows& rows, std::string_view prefix) {
  Json out = Json::array();
  for (const auto& row : rows) out.push_back(fmt::format("{}{}", prefix, row.name));
  return out;
}

Result<> list_builtins(const Cli& cli, Words words) {
  Json names;
  if (words.take("prog_types")) {
    names = names_of(isa::prog_types(), "");
  } else if (words.take("map_types")) {
    names = names_of(isa::maps(), "");
  } else if (words.take("attach_types")) {
    names = names_of(isa::attach_types(), "");
  } else if (words.take("helpers")) {
    names = names_of(isa::helpers(), "bpf_");
  } else {
    return usage_error("prog_types, map_types, attach_types or helpers is missing");
  }
  if (auto end = words.end(); !end) return end;
  if (cli.wants_json()) {
    cli.print(names);
    return {};
  }
  std::string out;
  for (const Json& name : names) out += name.get<std::string>() + "\n";
  cli.print(out);
  return {};
}

constexpr Verb kVerbs[] = {{"backends", "", backends},
                           {"probe", "[kernel] [full] [unprivileged]", probe},
                           {"list_builtins", "GROUP", list_builtins}};

}  // namespace

Object feature_object() {
  return {"feature", "what backends take, and what our bpf(2) takes", kVerbs,
          "GROUP := { prog_types | map_types | attach_types | helpers }\n"};
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "jit-backends/backends.h"

namespace forager::cli {

Result<> print_version(const Cli& cli, const std::string& version) {
  const std::string libbpf = fmt::format("{}.{}", ::libbpf_major_version(), ::libbpf_minor_version());
  nlohmann::ordered_json backends = nlohmann::ordered_json::array();
  std::string names;
  for (const jit::BackendRow& row : jit::backends()) {
    backends.push_back(row.name);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  }
  if (cli.wants_json()) {
    cli.print(nlohmann::ordered_json{{"version", version},
                                     {"libbpf_version", libbpf},
                                     {"features", {{"libbfd", false}, {"libbpf_strict", true}, {"skeletons", false}}},
                                     {"backends", std::move(backends)}});
  } else {
    cli.print(fmt::format("forager {}\nusing libbpf v{}\nbackends: {}\n", version, libbpf, names));
  }
  return {};
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
//
// forager device: all that a program can be placed on, a row each. Where a backend has several devices, the word that
// chooses among them stands in the row: of `opencl` for --device, of `rtl` for --config.
#include <fmt/format.h>

#include <string>

#include "cli/verbs.h"
#include "exec/backend.h"
#include "jit-backends/backends.h"
#include "jit-backends/opencl/devices.h"
#include "sim/board/board.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// `device`: empty if there is nothing to choose.
Json row_of(const jit::BackendRow& backend, const std::string& device, std::string_view name,
            const std::string& lacks) {
  Json out = {{"backend", backend.name}};
  if (!device.empty()) out["device"] = device;
  out.update({{"name", name}, {"usable", lacks.empty()}});
  if (!lacks.empty()) out["lacks"] = lacks;
  return out;
}

Json opencl_row(const jit::BackendRow& backend, std::size_t number, const jit::opencl::DeviceFound& device) {
  Json out = row_of(backend, fmt::format("{}", number), device.name, device.lacks);
  out.update({{"driver", device.driver},
              {"units", device.units},
              {"memory_bytes", device.memory_bytes},
              {"host_unified", device.host_unified},
              {"shares_memory", device.shares_memory}});
  return out;
}

// Empty where a backend is one device.
Json rows_of_several(const jit::BackendRow& backend) {
  Json out = Json::array();
  if (backend.name == "opencl") {
    const auto& devices = jit::opencl::devices_found();
    for (std::size_t i = 0; i < devices.size(); ++i) out.push_back(opencl_row(backend, i, devices[i]));
  } else if (backend.name == "rtl") {
    for (const std::string& configuration : sim::configurations())
      out.push_back(row_of(backend, configuration, backend.summary, {}));
  }
  return out;
}

Json all_rows() {
  Json out = Json::array();
  for (const jit::BackendRow& backend : jit::backends()) {
    const Json several = rows_of_several(backend);
    const exec::Capabilities& able = backend.get().capabilities();
    if (several.empty())
      out.push_back(row_of(backend, {}, backend.summary, able.available ? std::string{} : able.reason));
    for (const Json& row : several) out.push_back(row);
  }
  return out;
}

std::string size_text(std::uint64_t bytes) {
  constexpr double kGigabyte = 1e9;
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / kGigabyte);
}

// What no column has.
std::string remarks(const Json& row) {
  std::string out = row["name"].get<std::string>();
  if (row.contains("driver")) out += fmt::format(" ({})", row["driver"].get<std::string>());
  if (row.value("shares_memory", false)) {
    out += "; works in this process's memory";
  } else if (row.value("host_unified", false)) {
    out += "; its memory is the host's";
  }
  if (row.contains("lacks")) out += fmt::format("; not usable: {}", row["lacks"].get<std::string>());
  return out;
}

std::string to_text(const Json& row) {
  const std::string units = row.contains("units") ? fmt::format("{}", row["units"].get<unsigned>()) : "";
  const std::string memory = row.contains("memory_bytes") ? size_text(row["memory_bytes"].get<std::uint64_t>()) : "";
  return fmt::format("{:<8} {:<8} {:<7} {:>5} {:>9}  {}\n", row["backend"].get<std::string>(),
                     row.value("device", std::string{}), row["usable"].get<bool>() ? "yes" : "no", units, memory,
                     remarks(row));
}

Result<> list(const Cli& cli, Words words) {
  if (auto end = words.end(); !end) return end;
  const Json rows = all_rows();
  if (cli.wants_json()) {
    cli.print(Json{{"schema", "forager-device"}, {"version", 1}, {"devices", rows}});
    return {};
  }
  std::string out = fmt::format("{:<8} {:<8} {:<7} {:>5} {:>9}  {}\n", "backend", "device", "usable", "units", "memory",
                                "what it is");
  for (const Json& row : rows) out += to_text(row);
  cli.print(out);
  return {};
}

constexpr Verb kVerbs[] = {{"list", "", list}, {"show", nullptr, list}};

}  // namespace

Object device_object() {
  return {"device", "what programs can be placed on", kVerbs,
          "A word in the column `device` is what `forager run` takes: --device of opencl, --config of rtl.\n"};
}

}  // namespace forager::cli

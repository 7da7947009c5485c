// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <regex>

#include "exec/skb.h"
#include "jit-backends/opencl/refusals.h"
#include "program/sha1.h"

namespace forager::jit::opencl {
namespace {

namespace fs = std::filesystem;

using Hash = std::array<std::uint8_t, 20>;
constexpr std::string_view kMagic = "forager opencl 1\n";

std::mutex places_mutex;
Places& places_now() {
  static Places now;
  return now;
}

Hash hash_of(std::string_view bytes) { return program::sha1(std::as_bytes(std::span(bytes))); }

std::string hex(const Hash& hash) {
  std::string text;
  for (const std::uint8_t byte : hash) text += fmt::format("{:02x}", byte);
  return text;
}

std::string raw(const Hash& hash) { return {hash.begin(), hash.end()}; }

// ---- the cache -----------------------------------------------------------------------------------------------------

std::optional<std::string> read_entry(const fs::path& file, const Hash& key) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  const std::size_t head = kMagic.size() + 2 * key.size();
  if (all.size() <= head || !all.starts_with(kMagic)) return std::nullopt;
  std::string binary = all.substr(head);
  const std::string expected = std::string(kMagic) + raw(key) + raw(hash_of(binary));
  return all.starts_with(expected) ? std::optional(std::move(binary)) : std::nullopt;
}

// Complete or not at all: another process may do the same. A cache that cannot be written is none.
void write_entry(const fs::path& file, const Hash& key, const std::string& binary) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  const fs::path fresh = fmt::format("{}.{}", file.string(), getpid());
  std::ofstream out(fresh, std::ios::binary);
  out << kMagic << raw(key) << raw(hash_of(binary)) << binary;
  out.close();
  if (out) fs::rename(fresh, file, error);
  if (!out || error) fs::remove(fresh, error);
}

std::string binary_of(cl_program program) {
  std::size_t bytes = 0;
  if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, nullptr) != CL_SUCCESS) return {};
  std::string binary(bytes, '\0');
  char* to = binary.data();
  if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(char*), static_cast<void*>(&to), nullptr) != CL_SUCCESS)
    return {};
  return binary;
}

// Nothing if the driver does not take it.
std::optional<Binary> from_binary(const Driver& driver, const std::string& binary, const std::string& options) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  const std::size_t size = binary.size();
  cl_int taken = CL_SUCCESS, status = CL_SUCCESS;
  const cl_device_id device = driver.found().device;
  Binary program(clCreateProgramWithBinary(driver.context(), 1, &device, &size, &bytes, &taken, &status));
  if (status != CL_SUCCESS || taken != CL_SUCCESS) return std::nullopt;
  if (clBuildProgram(program.get(), 1, &device, options.c_str(), nullptr, nullptr) != CL_SUCCESS) return std::nullopt;
  return program;
}

// ---- the compiler --------------------------------------------------------------------------------------------------

std::string log_of(const Driver& driver, cl_program program) {
  std::size_t bytes = 0;
  const cl_device_id device = driver.found().device;
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes);
  std::string log(bytes, '\0');
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
  return log.substr(0, log.find('\0'));
}

// Of a program whose name is anybody's: it stays in its folder.
std::string file_name(std::string name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.'; };
  std::ranges::replace_if(name, [&](unsigned char c) { return !plain(c); }, '_');
  constexpr std::size_t kLongest = 200;
  return fmt::format("{}{}.cl", name.empty() || name.front() == '.' ? "_" : "", name.substr(0, kLongest));
}

std::string leave_source(const KernelSource& made, const std::string& source) {
  std::string name = file_name(made.programs.front()->program().name());
  const std::string folder = places().sources;
  if (folder.empty()) return name;
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path file = fs::path(folder) / name;
  std::ofstream(file, std::ios::binary) << source;
  return file.string();
}

// The instruction whose code the compiler did not take.
void point_to(Diagnostic& diagnostic, const KernelSource& made, unsigned line) {
  const auto before = static_cast<std::size_t>(std::ranges::count(prelude_of(made), '\n'));
  if (line <= before || line - before > made.origins.size()) return;
  const Origin origin = made.origins[line - before - 1];
  if (origin.instruction == program::kNone) return;
  const program::Program& program = made.programs[origin.program]->program();
  diagnostic.instruction = program.instructions()[origin.instruction].slot;
  diagnostic.source = program.source_line(origin.instruction);
}

Diagnostic refused(const Driver& driver, cl_program program, const KernelSource& made, const std::string& file) {
  const BuildError error = first_error(log_of(driver, program));
  Diagnostic diagnostic{.kind = ErrorKind::bug, .error = EINVAL};
  diagnostic.message = fmt::format("the compiler of {} refuses {}:{}:{}: {}", driver.found().name, file, error.line,
                                   error.column, error.message);
  point_to(diagnostic, made, error.line);
  return diagnostic;
}

Result<Binary> from_source(const Driver& driver, const KernelSource& made, const std::string& source,
                           const std::string& options, const std::string& file) {
  const char* text = source.c_str();
  cl_int status = CL_SUCCESS;
  Binary program(clCreateProgramWithSource(driver.context(), 1, &text, nullptr, &status));
  if (auto made = check("clCreateProgramWithSource", status); !made) return std::unexpected(made.error());
  status = clBuildProgram(program.get(), 1, &driver.found().device, options.c_str(), nullptr, nullptr);
  if (status == CL_BUILD_PROGRAM_FAILURE) return std::unexpected(refused(driver, program.get(), made, file));
  if (auto made = check("clBuildProgram", status); !made) return std::unexpected(made.error());
  return program;
}

}  // namespace

void set_places(Places places) {
  const std::lock_guard lock(places_mutex);
  places_now() = std::move(places);
}
Places places() {
  const std::lock_guard lock(places_mutex);
  return places_now();
}

bool KernelSource::sees_skb() const { return exec::sees_skb(programs.front()->program().type()); }

bool KernelSource::calls(exec::HelperId helper) const {
  return std::ranges::any_of(programs, [&](const VerifiedRef& one) { return opencl::calls(*one, helper); });
}

std::string prelude_of(const KernelSource& source) {
  std::string text(prelude());
  if (source.sees_skb()) text += skb_prelude();
  if (source.calls(exec::HelperId::trace_printk)) text += trace_prelude();
  if (source.calls(exec::HelperId::fib_lookup)) text += fib_prelude();
  return text;
}

BuildError first_error(const std::string& log) {
  // Clang's order, and PoCL's.
  static const std::regex kForms[] = {std::regex(R"(:(\d+):(\d+): (?:fatal )?error: ([^\n]*))"),
                                      std::regex(R"(error: [^\n]*:(\d+):(\d+): ([^\n]*))")};
  for (const std::regex& form : kForms) {
    std::smatch found;
    if (!std::regex_search(log, found, form)) continue;
    return {static_cast<unsigned>(std::stoul(found[1])), static_cast<unsigned>(std::stoul(found[2])), found[3]};
  }
  std::string line = log.substr(0, log.find('\n'));
  return {.message = line.empty() ? "it does not say why" : std::move(line)};
}

Result<Built> build(const Driver& driver, const KernelSource& made, const std::string& options) {
  const std::string source = prelude_of(made) + made.text;
  const std::string file = leave_source(made, source), cache = places().cache;
  const Hash key = hash_of(fmt::format("{}\n{}\n{}\n{}", driver.found().name, driver.found().driver, options, source));
  const fs::path entry = fs::path(cache) / (hex(key) + ".clbin");
  if (!cache.empty()) {
    if (const auto kept = read_entry(entry, key)) {
      if (auto binary = from_binary(driver, *kept, options))
        return Built{.binary = std::move(*binary), .from_cache = true};
    }
  }
  auto binary = from_source(driver, made, source, options, file);
  if (!binary) return std::unexpected(std::move(binary.error()));
  Built built{.binary = std::move(*binary)};
  if (cache.empty()) return built;
  built.entry = entry.string();
  built.key = raw(key);
  keep(built);
  return built;
}

void keep(const Built& built) {
  if (built.entry.empty()) return;
  Hash key;
  std::ranges::copy(built.key, key.begin());
  write_entry(built.entry, key, binary_of(built.binary.get()));
}

}  // namespace forager::jit::opencl

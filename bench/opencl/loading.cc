// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/loading.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "jit-backends/backends.h"
#include "jit-backends/opencl/build.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

Result<double> first_packet(exec::Device& device, const std::shared_ptr<const exec::Image>& image, Stage& stage) {
  std::vector<exec::Frame> frame;
  frame.push_back(*exec::Frame::make(stage.packets().front().bytes));
  const auto begin = Clock::now();
  Result<> ready = device.load(image);
  const auto& maps = stage.program().maps;
  for (std::uint32_t i = 0; ready && i < maps.size(); ++i) ready = device.bind(i, maps[i]->map);
  if (!ready) return std::unexpected(std::move(ready.error()));
  if (auto ran = device.run(frame); !ran) return std::unexpected(std::move(ran.error()));
  return ms_since(begin);
}

Result<> load_twice(const ExampleProgram& program) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(std::move(stage.error()));
  const exec::Backend& backend = *jit::find_backend("opencl");
  auto image = backend.compile(stage->program().verified, {});
  if (!image) return std::unexpected(std::move(image.error()));
  const exec::DeviceOptions options = {
      .environment = &syscall::process().runtime.environment, .order = exec::Order::none, .ports = stage->ports()};
  for (const char* name : {"load", "again"}) {
    const auto begin = Clock::now();
    auto device = backend.open(options);
    if (!device) return std::unexpected(std::move(device.error()));
    const double opened = ms_since(begin);
    const auto loaded = first_packet(**device, *image, *stage);
    if (!loaded) return std::unexpected(loaded.error());
    fmt::print("{} {}\n", name, *loaded);
    if (std::string_view(name) == "load") fmt::print("driver {}\n", opened);
  }
  return {};
}

// Folder that is gone when this is.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "forager-load-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] bool is_there() const { return !path_.empty(); }
  [[nodiscard]] std::string of(const char* name) const {
    const fs::path folder = fs::path(path_) / name;
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    return folder.string();
  }

 private:
  std::string path_;
};

// What the process printed.
Result<LoadFigure> load(const ExampleProgram& program, const std::string& ours, const std::string& pocl) {
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  const std::string command =
      fmt::format("POCL_CACHE_DIR='{}' '{}' --load {} {} '{}'", pocl, self, program.name, program.capture, ours);
  const std::unique_ptr<FILE, int (*)(FILE*)> process(popen(command.c_str(), "r"), pclose);
  if (process == nullptr) return fail(ErrorKind::system, errno, "no process could be started to load a program in");
  LoadFigure figure;
  std::array<char, 16> name{};
  double ms = 0;
  while (std::fscanf(process.get(), "%15s %lf", name.data(), &ms) == 2) figure[name.data()] = ms;
  if (figure.size() == 3) return figure;
  return fail(ErrorKind::bug, EINVAL, fmt::format("this failed: {}", command));
}

}  // namespace

Result<LoadFigure> measure_loading(const ExampleProgram& program) {
  const Folder folder;
  if (!folder.is_there()) return fail(ErrorKind::system, errno, "no temporary folder could be made");
  const std::string ours = folder.of("ours"), pocl = folder.of("pocl");
  LoadFigure figure;
  const struct {
    const char* name;
    std::string ours, pocl;
  } cases[] = {{"first", ours, pocl},
               {"second", ours, pocl},
               {"ours", ours, folder.of("pocl_empty")},
               {"pocl", folder.of("ours_empty"), pocl}};
  for (const auto& one : cases) {
    const auto measured = load(program, one.ours, one.pocl);
    if (!measured) return measured;
    figure[one.name] = measured->at("load");
    if (std::string_view(one.name) == "first") figure["again"] = measured->at("again");
    figure["driver"] = measured->at("driver");
  }
  return figure;
}

int load_for_parent(const Pair& pair, const std::string& cache) {
  jit::opencl::set_places({.cache = cache, .sources = {}});
  const auto loaded = load_twice(pair.program());
  if (!loaded) fmt::print(stderr, "{}\n", loaded.error().text());
  return loaded ? 0 : 1;
}

}  // namespace forager::bench

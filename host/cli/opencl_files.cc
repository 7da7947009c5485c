// SPDX-License-Identifier: Apache-2.0
#include "cli/opencl_files.h"

#include <cstdlib>
#include <utility>

#include "jit-backends/opencl/build.h"

namespace forager::cli {
namespace {

// Empty where there is no home: no cache then.
std::string cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::string(cache) + "/forager/opencl";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::string(home) + "/.cache/forager/opencl";
  return {};
}

// By which OpenCL's loaders are told where drivers are.
constexpr const char* kDriverVariables[] = {"OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES"};

}  // namespace

void place_opencl_files(std::string sources) {
  jit::opencl::Places places{.cache = cache_folder(), .sources = std::move(sources)};
  for (const char* variable : kDriverVariables) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0' || !places.variable.empty()) continue;
    places.variable = variable;
    places.value = value;
  }
  jit::opencl::set_places(std::move(places));
}

}  // namespace forager::cli

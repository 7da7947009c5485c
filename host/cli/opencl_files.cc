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

}  // namespace

void place_opencl_files(std::string sources) {
  jit::opencl::set_places({.cache = cache_folder(), .sources = std::move(sources)});
}

}  // namespace forager::cli

// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/record_code.h"

#include <cerrno>

#include "api/guarded.h"
#include "forager/forager.h"

namespace forager {

Result<> record_code(const CodeRecords& records, const std::function<void(const Diagnostic&)>& on_trouble) {
  return api::guarded([&]() -> Result<> {
    if (!records.perf_map && !records.jitdump && !records.debugger) {
      return fail(ErrorKind::input, EINVAL, "no record of machine code is asked for");
    }
    return jit::record_code({.perf_map = records.perf_map,
                             .jitdump = records.jitdump,
                             .debugger = records.debugger,
                             .directory = records.directory},
                            on_trouble);
  });
}

}  // namespace forager

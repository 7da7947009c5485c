// SPDX-License-Identifier: Apache-2.0
//
// What iterators write (kernel/trace/bpf_trace.c bpf_seq_*). A text that does not fit leaves the file overflowed: its
// reader shows the object again to a file that is empty.
#include <cerrno>

#include "exec/visit.h"
#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/varargs.h"

namespace forager::helpers {
namespace {

exec::SeqFile& file_at(u64 argument) { return *pointer<exec::SeqFile>(argument); }

u64 outcome(bool written) { return written ? 0 : result(-EOVERFLOW); }

}  // namespace

u64 seq_write(RunContext&, u64 file, u64 data, u64 size, u64, u64) {
  return outcome(file_at(file).write(bytes(data, static_cast<std::uint32_t>(size))));
}

u64 seq_printf(RunContext& run, u64 file, u64 text, u64 size, u64 data, u64 data_size) {
  const auto arguments = Varargs::load(data, data_size);
  const auto shape = text_of(bytes(text, static_cast<std::uint32_t>(size)));
  std::string line;
  if (!arguments || !shape || format(run, *shape, arguments->values(), line) != 0) return result(-EINVAL);
  return outcome(file_at(file).write(line));
}

}  // namespace forager::helpers

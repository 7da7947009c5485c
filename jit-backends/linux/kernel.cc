// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/kernel.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace forager::jit::linux_kernel {
namespace {

// Flags that say how the creating file descriptor may be used, or need attributes that a MapSpec does not have.
constexpr std::uint32_t kFlagsNotMirrored = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_NUMA_NODE;
// What the kernel is asked for. A device map gets BPF_F_RDONLY_PROG from the kernel itself, which refuses to be asked.
std::uint32_t creation_flags(const program::MapSpec& spec) {
  const bool device_map = spec.type == isa::MapType::devmap || spec.type == isa::MapType::devmap_hash;
  return spec.flags & ~(kFlagsNotMirrored | (device_map ? std::uint32_t{BPF_F_RDONLY_PROG} : 0U));
}

constexpr std::size_t kFirstLogBytes = std::size_t{1} << 18;
constexpr std::size_t kMaxLogBytes = std::size_t{1} << 26;
constexpr int kLoadAttempts = 5;  // the kernel's verifier gives up with EAGAIN when a signal is pending

void set_name(char (&field)[BPF_OBJ_NAME_LEN], const std::string& name) {
  const std::string valid = object_name(name);
  std::copy(valid.begin(), valid.end(), field);
}

int map_command(int command, const Fd& map, const void* key, const void* value) {
  bpf_attr attr = empty_attr();
  attr.map_fd = static_cast<__u32>(map.get());
  attr.key = pointer_field(key);
  attr.value = pointer_field(value);
  return static_cast<int>(bpf(command, attr));
}

bpf_attr load_attr(const LoadRequest& request) {
  bpf_attr attr = empty_attr();
  attr.prog_type = request.prog_type;
  attr.expected_attach_type = request.attach_type;
  attr.insns = pointer_field(request.slots.data());
  attr.insn_cnt = static_cast<__u32>(request.slots.size());
  attr.license = pointer_field(request.gpl_compatible ? "GPL" : "Proprietary");
  attr.prog_flags = request.xdp_has_frags ? BPF_F_XDP_HAS_FRAGS : 0;
  set_name(attr.prog_name, request.name);
  return attr;
}

long load_once(bpf_attr attr, SystemCall call) {
  long result = -EAGAIN;
  for (int i = 0; i < kLoadAttempts && result == -EAGAIN; ++i) result = bpf(BPF_PROG_LOAD, attr, call);
  return result;
}

}  // namespace

std::string errno_text(long negative_errno) {
  const int error = static_cast<int>(-negative_errno);
  const char* name = strerrorname_np(error);
  if (name == nullptr) return fmt::format("error {}", error);  // such as 524, which only the kernel knows
  return fmt::format("{} ({})", name, strerrordesc_np(error));
}

std::unexpected<Diagnostic> refused(const std::string& what, const char* call, long negative_errno) {
  return fail(ErrorKind::system, static_cast<int>(-negative_errno),
              fmt::format("cannot {}: {}(2) said {}", what, call, errno_text(negative_errno)));
}

std::string object_name(const std::string& name) {
  std::string out = name.substr(0, BPF_OBJ_NAME_LEN - 1);
  const auto valid = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
  std::replace_if(out.begin(), out.end(), [&](char c) { return !valid(static_cast<unsigned char>(c)); }, '_');
  return out;
}

Result<Fd> create_map(const exec::MapSpec& spec) {
  bpf_attr attr = empty_attr();
  attr.map_type = static_cast<__u32>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = creation_flags(spec);
  attr.map_extra = spec.extra;
  set_name(attr.map_name, spec.name);
  const long fd = bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) return refused(fmt::format("create map '{}' in the kernel", spec.name), "bpf", fd);
  return Fd(static_cast<int>(fd));
}

int map_next_key(const Fd& map, const void* key, void* next) {
  return map_command(BPF_MAP_GET_NEXT_KEY, map, key, next);
}
int map_lookup(const Fd& map, const void* key, void* value) {
  return map_command(BPF_MAP_LOOKUP_ELEM, map, key, value);
}
int map_update(const Fd& map, const void* key, const void* value) {
  return map_command(BPF_MAP_UPDATE_ELEM, map, key, value);
}
int map_erase(const Fd& map, const void* key) { return map_command(BPF_MAP_DELETE_ELEM, map, key, nullptr); }
int map_take(const Fd& map, const void* key, void* value) {
  return map_command(BPF_MAP_LOOKUP_AND_DELETE_ELEM, map, key, value);
}
int map_freeze(const Fd& map) { return map_command(BPF_MAP_FREEZE, map, nullptr, nullptr); }

int map_lookup_batch(const Fd& map, const void* token, void* next_token, void* keys, void* values,
                     std::uint32_t& count) {
  bpf_attr attr = empty_attr();
  attr.batch.map_fd = static_cast<__u32>(map.get());
  attr.batch.in_batch = pointer_field(token);
  attr.batch.out_batch = pointer_field(next_token);
  attr.batch.keys = pointer_field(keys);
  attr.batch.values = pointer_field(values);
  attr.batch.count = count;
  const auto result = static_cast<int>(bpf(BPF_MAP_LOOKUP_BATCH, attr));
  count = result == 0 || result == -ENOENT ? attr.batch.count : 0;
  return result;
}

// The log costs time, so it is asked for only once the answer is no. The errno of the first answer counts: with a log,
// the kernel says ENOSPC where the buffer is too small.
long load_program(const LoadRequest& request, std::string& log, SystemCall call) {
  bpf_attr attr = load_attr(request);
  const long result = load_once(attr, call);
  if (result >= 0) return result;
  long with_log = -ENOSPC;
  for (std::size_t bytes = kFirstLogBytes; with_log == -ENOSPC && bytes <= kMaxLogBytes; bytes *= 4) {
    log.assign(bytes, '\0');
    attr.log_level = 1;
    attr.log_buf = pointer_field(log.data());
    attr.log_size = static_cast<__u32>(bytes);
    with_log = load_once(attr, call);
  }
  log.resize(std::strlen(log.c_str()));
  return with_log >= 0 ? with_log : result;
}

namespace {

// A test run with a context, which comes back as `out`.
template <class Run, class Context>
int run_test(const Fd& program, Run& run, const Context& in, Context& out, SystemCall call) {
  bpf_attr attr = empty_attr();
  attr.test.prog_fd = static_cast<__u32>(program.get());
  attr.test.data_in = pointer_field(run.in.data());
  attr.test.data_size_in = static_cast<__u32>(run.in.size());
  attr.test.data_out = pointer_field(run.out.data());
  attr.test.data_size_out = static_cast<__u32>(run.out.size());
  attr.test.ctx_in = pointer_field(&in);
  attr.test.ctx_size_in = sizeof(in);
  attr.test.ctx_out = pointer_field(&out);
  attr.test.ctx_size_out = sizeof(out);
  attr.test.repeat = run.repeat;
  const long result = bpf(BPF_PROG_TEST_RUN, attr, call);
  if (result != 0) return static_cast<int>(result);
  run.out_bytes = std::min(attr.test.data_size_out, static_cast<__u32>(run.out.size()));
  run.return_value = attr.test.retval;
  run.nanoseconds = attr.test.duration;
  return 0;
}

}  // namespace

int run_xdp(const Fd& program, TestRun& run, SystemCall call) {
  xdp_md in{};
  in.data = run.in_meta;
  in.data_end = static_cast<__u32>(run.in.size()) - run.in_fragments;
  in.ingress_ifindex = run.ingress_ifindex;
  in.rx_queue_index = run.rx_queue;
  in.egress_ifindex = run.egress_ifindex;
  xdp_md out{};
  if (const int error = run_test(program, run, in, out, call); error != 0) return error;
  run.out_meta = std::min(out.data, run.out_bytes);
  run.out_fragments = run.out_bytes - std::clamp(out.data_end, run.out_meta, run.out_bytes);
  return 0;
}

int run_skb(const Fd& program, SkbTestRun& run, SystemCall call) {
  const __sk_buff in = run.context;
  return run_test(program, run, in, run.context, call);
}

// "0-3,8" has 5; the kernel copies per-CPU values as one slot for each of these, in this order.
unsigned possible_cpus() {
  std::ifstream file("/sys/devices/system/cpu/possible");
  unsigned count = 0;
  unsigned first = 0;
  while (file >> first) {
    unsigned last = first;
    if (file.peek() == '-') {
      file.get();
      file >> last;
    }
    count += last - first + 1;
    file.ignore(1, ',');
  }
  return std::max(count, 1U);
}

unsigned lowest_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 0;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) return cpu;
  }
  return 0;
}

std::string machine_name() {
  utsname name{};
  if (uname(&name) != 0) return "Linux";
  const std::string release = name.release;
  const unsigned cpus = possible_cpus();
  return fmt::format("Linux {} on {} CPU{}", release.substr(0, release.find('-')), cpus, cpus == 1 ? "" : "s");
}

}  // namespace forager::jit::linux_kernel

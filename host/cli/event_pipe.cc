// SPDX-License-Identifier: Apache-2.0
//
// forager map event_pipe: what programs send through perf event arrays and ring buffers, as it comes.
//
// Records that wait in a kept ring buffer come first; they are read, and so gone for the next command. A perf buffer
// exists only while somebody reads it, so a perf event array has nothing to show without `run`.
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/perf_event.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>

#include "cli/btf_value.h"
#include "cli/live_run.h"
#include "cli/map_verbs.h"
#include "cli/map_words.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kPerfPages = 64;
constexpr std::uint64_t kSecond = 1'000'000'000;

struct Asked {
  std::optional<std::uint64_t> cpu, index;
  std::optional<LiveRun> run;
};

std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

// Prints events as they come; with JSON they are one list at the end.
class Pipe {
 public:
  Pipe(const Cli& cli, const Asked& asked) : cli_(cli), asked_(asked) {}

  Result<> open(const MapHandle& map) {
    perf_ = map.type == static_cast<std::uint32_t>(isa::MapType::perf_event_array);
    if (perf_) {
      perf_buffer_.reset(::perf_buffer__new(map.fd, kPerfPages, on_sample, on_lost, this, nullptr));
    } else {
      ring_.reset(::ring_buffer__new(map.fd, on_record, this, nullptr));
    }
    if (perf_buffer_ || ring_) return {};
    return fail(ErrorKind::system, errno, fmt::format("map {}: no event reader: {}", map.name, std::strerror(errno)));
  }

  Result<> drain() {
    if (ring_) ::ring_buffer__consume(ring_.get());
    if (perf_buffer_) ::perf_buffer__consume(perf_buffer_.get());
    return {};
  }

  void finish() const {
    if (cli_.wants_json()) cli_.print(events_);
  }

 private:
  struct Free {
    void operator()(ring_buffer* ring) const { ::ring_buffer__free(ring); }
    void operator()(perf_buffer* perf) const { ::perf_buffer__free(perf); }
  };

  static int on_record(void* self, void* data, std::size_t size) {
    static_cast<Pipe*>(self)->show(-1, {static_cast<const char*>(data), size});
    return 0;
  }
  static void on_sample(void* self, int cpu, void* data, std::uint32_t size) {
    static_cast<Pipe*>(self)->show(cpu, {static_cast<const char*>(data), size});
  }
  static void on_lost(void* self, int cpu, __u64 count) { static_cast<Pipe*>(self)->show_lost(cpu, count); }

  [[nodiscard]] bool wanted(int cpu) const {
    return !asked_.cpu || cpu < 0 || *asked_.cpu == static_cast<std::uint64_t>(cpu);
  }
  [[nodiscard]] std::uint64_t index_of(int cpu) const { return asked_.index.value_or(static_cast<std::uint64_t>(cpu)); }

  Json head(int cpu, std::uint32_t type) const {
    Json out = {{"type", type}};
    if (perf_) {
      out["cpu"] = cpu;
      out["index"] = index_of(cpu);
    }
    return out;
  }

  void show(int cpu, std::string_view data) {
    if (!wanted(cpu)) return;
    const std::uint64_t time = now();
    if (cli_.wants_json()) {
      Json event = head(cpu, PERF_RECORD_SAMPLE);
      event["timestamp"] = time;
      event["data"] = raw_bytes({reinterpret_cast<const std::byte*>(data.data()), data.size()});
      events_.push_back(std::move(event));
      return;
    }
    const std::string from = perf_ ? fmt::format(" CPU: {} index: {}", cpu, index_of(cpu)) : "";
    cli_.print(
        fmt::format("== @{}.{:09}{} =====\n{}\n", time / kSecond, time % kSecond, from, hex_lines(std::string(data))));
    std::fflush(stdout);
  }

  void show_lost(int cpu, std::uint64_t count) {
    if (!wanted(cpu)) return;
    if (!cli_.wants_json()) {
      cli_.print(fmt::format("lost {} events\n", count));
      return;
    }
    Json event = head(cpu, PERF_RECORD_LOST);
    event["lost"] = {{"id", index_of(cpu)}, {"lost", count}};
    events_.push_back(std::move(event));
  }

  const Cli& cli_;
  const Asked& asked_;
  bool perf_ = false;
  Json events_ = Json::array();
  std::unique_ptr<ring_buffer, Free> ring_;
  std::unique_ptr<perf_buffer, Free> perf_buffer_;
};

Result<> read_number(Words& words, const char* what, std::optional<std::uint64_t>& into) {
  auto number = words.number(what);
  if (!number) return std::unexpected(number.error());
  into = *number;
  return {};
}

Result<Asked> read_words(World& world, Words& words) {
  Asked out;
  while (!words.empty()) {
    if (words.take("cpu")) {
      if (auto read = read_number(words, "the cpu", out.cpu); !read) return std::unexpected(read.error());
    } else if (words.take("index")) {
      if (auto read = read_number(words, "the index", out.index); !read) return std::unexpected(read.error());
    } else if (words.take("run")) {
      auto run = read_live_run(world, words);
      if (!run) return std::unexpected(run.error());
      out.run = std::move(*run);
    } else {
      return usage_error(fmt::format("unexpected '{}'; cpu, index or run can stand here", words.peek()));
    }
  }
  if (out.cpu.has_value() == out.index.has_value()) return out;
  return usage_error("'cpu N' and 'index M' go together");
}

Result<> check(const MapHandle& map, const Asked& asked) {
  const bool perf = map.type == static_cast<std::uint32_t>(isa::MapType::perf_event_array);
  if (!perf && map.type != static_cast<std::uint32_t>(isa::MapType::ringbuf))
    return fail(ErrorKind::input, EINVAL, fmt::format("map {} is no perf event array and no ring buffer", map.name));
  if (!perf || asked.run) return {};
  return usage_error("no program runs between commands, and perf buffers keep nothing: 'run PROG FILE' is missing");
}

}  // namespace

Result<> map_event_pipe(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_map(*world, words);
  if (!map) return std::unexpected(map.error());
  auto asked = read_words(*world, words);
  if (!asked) return std::unexpected(asked.error());
  if (auto fits = check(*map, *asked); !fits) return fits;
  Pipe pipe(cli, *asked);
  if (auto opened = pipe.open(*map); !opened) return opened;
  if (auto drained = pipe.drain(); !drained) return drained;
  if (asked->run) {
    if (auto done = run_live(*asked->run, [&] { return pipe.drain(); }); !done) return done;
  }
  pipe.finish();
  return world->save();
}

}  // namespace forager::cli

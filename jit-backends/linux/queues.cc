// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/queues.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <tuple>
#include <vector>

namespace forager::jit::linux_kernel {
namespace {

using Pop = std::function<int(void* value)>;
using Push = std::function<int(const void* value)>;

// Values in the order in which they were pushed.
class Values {
 public:
  Values(std::size_t value_bytes, bool newest_first) : value_bytes_(value_bytes), newest_first_(newest_first) {}

  // Takes all that pop(value) gives, until -ENOENT. 0 or a negative errno.
  [[nodiscard]] int take(const Pop& pop) {
    std::vector<std::byte> value(value_bytes_);
    int error = pop(value.data());
    for (; error == 0; error = pop(value.data())) values_.push_back(value);
    if (newest_first_) std::ranges::reverse(values_);
    return error == -ENOENT ? 0 : error;
  }
  // 0, or the first negative errno; the other values are pushed all the same.
  [[nodiscard]] int give(const Push& push) const {
    int first = 0;
    for (const auto& value : values_) {
      const int error = push(value.data());
      if (first == 0) first = error;
    }
    return first;
  }

 private:
  std::size_t value_bytes_;
  bool newest_first_;
  std::vector<std::vector<std::byte>> values_;
};

class QueueMirror final : public Mirror {
 public:
  QueueMirror(std::shared_ptr<exec::Map> map, Fd fd) : Mirror(std::move(map), std::move(fd)) {}

  Result<> push() override {
    Values values = none();
    if (const int error = values.take(host_pop()); error != 0) return failed("read the map", error);
    const int error = values.give(kernel_push());
    if (error == 0) return {};
    Values copies = none();
    std::ignore = copies.take(kernel_pop());
    std::ignore = values.give(host_push());
    return failed("copy the map to the kernel", error);
  }

  Result<> pull() override {
    Values values = none(), late = none();
    if (const int error = values.take(kernel_pop()); error != 0) return failed("read the kernel's map", error);
    if (const int error = late.take(host_pop()); error != 0) return failed("read the map", error);
    int error = values.give(host_push());
    if (const int other = late.give(host_push()); error == 0) error = other;
    return error == 0 ? Result<>{} : failed("copy the map from the kernel", error);
  }

 private:
  [[nodiscard]] Values none() const { return {map().spec().value_size, map().spec().type == isa::MapType::stack}; }

  [[nodiscard]] Pop host_pop() const {
    return [this](void* value) { return map().abilities().values->pop(value); };
  }
  [[nodiscard]] Push host_push() const {
    return [this](const void* value) { return map().abilities().values->push(value, BPF_ANY); };
  }
  [[nodiscard]] Pop kernel_pop() const {
    return [this](void* value) { return map_take(fd(), nullptr, value); };
  }
  [[nodiscard]] Push kernel_push() const {
    return [this](const void* value) { return map_update(fd(), nullptr, value); };
  }

  [[nodiscard]] std::unexpected<Diagnostic> failed(const char* what, int error) const {
    return fail(ErrorKind::system, -error,
                fmt::format("map '{}': cannot {}: {}", map().spec().name, what, errno_text(error)));
  }
};

}  // namespace

Result<std::unique_ptr<Mirror>> make_queue_mirror(std::shared_ptr<exec::Map> map, Fd fd) {
  if (map->abilities().values == nullptr) return fail(ErrorKind::bug, EINVAL, "a queue without values");
  return std::make_unique<QueueMirror>(std::move(map), std::move(fd));
}

}  // namespace forager::jit::linux_kernel

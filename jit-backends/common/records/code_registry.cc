// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/code_registry.h"

#include <pthread.h>

#include <algorithm>

namespace forager::jit {

CodeRegistry& CodeRegistry::of_process() {
  static CodeRegistry& only = *[] {
    pthread_atfork([] { of_process().mutex_.lock(); }, [] { of_process().mutex_.unlock(); },
                   [] { of_process().mutex_.unlock(); });
    return new CodeRegistry;
  }();
  return only;
}

CodeRegistry::Entry CodeRegistry::add(PlacedCode code) {
  const std::lock_guard guard(mutex_);
  const std::byte* begin = code.bytes.data();
  tell(placed_[begin] = std::move(code));
  return Entry(begin);
}

void CodeRegistry::tell(const PlacedCode& code) {
  std::erase_if(listeners_, [&](const Listening& each) {
    const auto told = each.listener->added(code);
    if (!told && each.on_trouble) each.on_trouble(told.error());
    return !told;
  });
}

void CodeRegistry::remove(const std::byte* begin) noexcept {
  const std::lock_guard guard(mutex_);
  const auto found = placed_.find(begin);
  for (const Listening& each : listeners_) each.listener->removed(found->second);
  placed_.erase(found);
}

Result<> CodeRegistry::listen(std::unique_ptr<CodeListener> listener, OnTrouble on_trouble) {
  const std::lock_guard guard(mutex_);
  for (const auto& [begin, code] : placed_) {
    if (auto told = listener->added(code); !told) return told;
  }
  listeners_.push_back({std::move(listener), std::move(on_trouble)});
  return {};
}

bool CodeRegistry::has_listener(const std::type_info& type) const {
  const std::lock_guard guard(mutex_);
  return std::ranges::any_of(listeners_, [&](const Listening& each) {
    const CodeListener& listener = *each.listener;
    return typeid(listener) == type;
  });
}

void CodeRegistry::silence() {
  const std::lock_guard guard(mutex_);
  listeners_.clear();
}

bool CodeRegistry::with_place(const JitImage& image,
                              const std::function<void(std::span<const std::byte>)>& look) const {
  const std::lock_guard guard(mutex_);
  const auto is_it = [&](const auto& each) { return each.second.image.get() == &image; };
  const auto found = std::ranges::find_if(placed_, is_it);
  if (found == placed_.end()) return false;
  look(found->second.bytes);
  return true;
}

}  // namespace forager::jit

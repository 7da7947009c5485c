// SPDX-License-Identifier: Apache-2.0
//
// CodeRegistry: all machine code of this process that is linked now, and who wants to know of it (a perf map, a
// debugger). There is one, since what listens goes by process. link() enters code, and the entry ends with the unit.
//
// Safe from any thread. Listeners are called under the registry's lock, code after code: they need none of their own.
// It holds the lock over fork(), so a child can go on freeing what it has got.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <typeinfo>
#include <utility>
#include <vector>

#include "jit-backends/common/image.h"

namespace forager::jit {

struct PlacedCode {
  std::shared_ptr<const JitImage> image;
  std::span<const std::byte> bytes;  // where it stands, linked
};

class CodeListener {
 public:
  virtual ~CodeListener() = default;
  // After an error the listener is told nothing more, and ends.
  [[nodiscard]] virtual Result<> added(const PlacedCode& code) = 0;
  virtual void removed(const PlacedCode& code) noexcept = 0;
};

class CodeRegistry {
 public:
  using OnTrouble = std::function<void(const Diagnostic&)>;

  // An entry of the registry's, for as long as it lives.
  class Entry {
   public:
    Entry() = default;
    explicit Entry(const std::byte* begin) : begin_(begin) {}
    Entry(Entry&& other) noexcept : begin_(std::exchange(other.begin_, nullptr)) {}
    Entry& operator=(Entry&& other) noexcept {
      std::swap(begin_, other.begin_);
      return *this;
    }
    ~Entry() {
      if (begin_ != nullptr) of_process().remove(begin_);
    }

   private:
    const std::byte* begin_ = nullptr;
  };

  // Never destroyed: a device may be a static object of the user's.
  [[nodiscard]] static CodeRegistry& of_process();

  [[nodiscard]] Entry add(PlacedCode code);
  // Tells the listener of all code that there is, and of what comes. Errors: the listener's first. Later ones go to
  // `on_trouble`, once, on the thread that linked.
  [[nodiscard]] Result<> listen(std::unique_ptr<CodeListener> listener, OnTrouble on_trouble = {});
  // Whether a listener of that class is being told.
  [[nodiscard]] bool has_listener(const std::type_info& type) const;
  // Ends all listeners.
  void silence();
  // Shows where a copy of the image stands, if there is one; it stays for that long. False if there is none.
  bool with_place(const JitImage& image, const std::function<void(std::span<const std::byte>)>& look) const;

 private:
  struct Listening {
    std::unique_ptr<CodeListener> listener;
    OnTrouble on_trouble;
  };

  CodeRegistry() = default;
  void remove(const std::byte* begin) noexcept;
  void tell(const PlacedCode& code);

  mutable std::mutex mutex_;
  std::map<const std::byte*, PlacedCode> placed_;
  std::vector<Listening> listeners_;
};

}  // namespace forager::jit

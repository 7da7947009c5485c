// SPDX-License-Identifier: Apache-2.0
//
// SharedSlot<T>: a place for one T, empty or not, that any thread may read, replace and clear at any time, without
// locks.
//
// A reader has to copy the T (a shared_ptr, say) before a writer destroys it. So the slot's word holds, above the
// pointer, how many readers are copying: a reader takes the pointer and counts itself in one step, and no writer can
// come between. A writer that exchanges the word learns with the old pointer how many readers it still has, and leaves
// that number with the object; each reader that finds its pointer gone takes itself off there. Whoever brings the sum
// to nothing destroys the object. Numbers below nothing are readers that were quicker than the writer.
//
// A read is two atomic operations on the slot, as with a spin lock for each slot (maps/lock.h); but no reader or writer
// ever waits for one that was preempted, which on lanes that outnumber cores happens all the time. Hazard pointers or
// epochs would spare readers the write, and ask every thread to register itself; as who looks up a map or a program
// counts a reference to it anyway, there is a write to a shared line in any case.
//
// A SharedSlot of zeros is empty, so that slots may stand in freshly mapped memory; such an array's owner clears each.
// Pointers have 48 bits (x86-64 and arm64 give user space no more unless it asks).
//
// Tested by: tests/unit/maps_objects_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace forager::maps {

template <class T>
class SharedSlot {
  struct Node {
    T object;
    std::atomic<std::int64_t> readers{0};  // left behind by the writer, less those that are done

    void settle(std::int64_t difference) {
      if (readers.fetch_add(difference, std::memory_order_acq_rel) + difference == 0) delete this;
    }
  };

 public:
  static constexpr std::size_t kObjectBytes = sizeof(Node);

  // What a slot held, and no longer does: destroyed with this, or by the last reader after it. Destroying a T may do
  // anything, so owners let this go when they hold no lock.
  class Retired {
   public:
    Retired() = default;
    Retired(Node* node, std::int64_t readers) : node_(node), readers_(readers) {}
    Retired(Retired&& other) noexcept : node_(std::exchange(other.node_, nullptr)), readers_(other.readers_) {}
    Retired& operator=(Retired&& other) noexcept {
      std::swap(node_, other.node_);
      std::swap(readers_, other.readers_);
      return *this;
    }
    ~Retired() {
      if (node_ != nullptr) node_->settle(readers_);
    }
    explicit operator bool() const { return node_ != nullptr; }

   private:
    Node* node_ = nullptr;
    std::int64_t readers_ = 0;
  };

  // A T on its way into a slot; empty if there was no memory.
  class Fresh {
   public:
    explicit Fresh(T object) : node_(new(std::nothrow) Node{std::move(object)}) {}
    explicit operator bool() const { return node_ != nullptr; }

   private:
    friend class SharedSlot;
    std::unique_ptr<Node> node_;
  };

  // A default T if it is empty.
  [[nodiscard]] T get() const {
    Node* node = borrow();
    if (node == nullptr) return T{};
    T copy = node->object;
    give_back(node);
    return copy;
  }

  // Puts the object in if check(occupied) is 0; its error otherwise.
  template <class Check>
  [[nodiscard]] int put(Fresh& object, Retired& old, Check check) {
    Word seen = word_.load(std::memory_order_acquire);
    do {
      if (const int error = check(node_of(seen) != nullptr); error != 0) return error;
    } while (!word_.compare_exchange_weak(seen, word_of(object.node_.get()), std::memory_order_acq_rel,
                                          std::memory_order_acquire));
    object.node_.release();
    old = Retired(node_of(seen), readers_of(seen));
    return 0;
  }

  // Clears it if it holds an object that is(object) says yes to.
  template <class Is>
  Retired clear_if(Is is) {
    Node* node = borrow();
    if (node == nullptr) return {};
    Retired old;
    if (is(std::as_const(node->object))) {
      Word seen = word_.load(std::memory_order_acquire);
      while (node_of(seen) == node) {
        if (!word_.compare_exchange_weak(seen, 0, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
        old = Retired(node, readers_of(seen));
        break;
      }
    }
    give_back(node);
    return old;
  }

  Retired clear() {
    const Word old = word_.exchange(0, std::memory_order_acq_rel);
    return Retired(node_of(old), readers_of(old));
  }

 private:
  using Word = std::uint64_t;
  static constexpr unsigned kPointerBits = 48;
  static constexpr Word kReader = Word{1} << kPointerBits;
  static constexpr std::int64_t kMostReaders = 0xffff;

  static Word word_of(Node* node) { return reinterpret_cast<Word>(node); }
  static Node* node_of(Word word) { return reinterpret_cast<Node*>(word & (kReader - 1)); }
  static std::int64_t readers_of(Word word) { return static_cast<std::int64_t>(word >> kPointerBits); }

  // The slot's object, which lives until it is given back; null if there is none. An empty slot counts no readers.
  [[nodiscard]] Node* borrow() const {
    Word seen = word_.load(std::memory_order_acquire);
    while (node_of(seen) != nullptr) {
      if (readers_of(seen) == kMostReaders) {
        seen = word_.load(std::memory_order_acquire);
        continue;
      }
      if (word_.compare_exchange_weak(seen, seen + kReader, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return node_of(seen);
      }
    }
    return nullptr;
  }

  // While it is borrowed its address is no other node's, so a slot that points to it has never let go of it.
  void give_back(Node* node) const {
    Word seen = word_.load(std::memory_order_acquire);
    while (node_of(seen) == node) {
      if (word_.compare_exchange_weak(seen, seen - kReader, std::memory_order_acq_rel, std::memory_order_acquire))
        return;
    }
    node->settle(-1);
  }

  mutable std::atomic<Word> word_{0};
};

}  // namespace forager::maps

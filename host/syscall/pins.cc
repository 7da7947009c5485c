// SPDX-License-Identifier: Apache-2.0
#include "syscall/pins.h"

#include <pthread.h>
#include <sched.h>

namespace forager::syscall {
namespace {

// Never freed: a list of as many as there ever were threads at a time. Each on a cache line of its own.
struct alignas(64) Node {
  PinWord word{nullptr};
  std::atomic<bool> owned{true};
  Node* next = nullptr;
};

constinit std::atomic<Node*> all_nodes{nullptr};

// Apart from the destructor's owner, so that the common access needs no guard.
constinit thread_local Node* own_node = nullptr;
constinit thread_local bool thread_ends = false;

struct Owner {
  ~Owner() {
    if (own_node != nullptr) own_node->owned.store(false, std::memory_order_release);
    own_node = nullptr;
    thread_ends = true;
  }
};

// Those who were pinning in the parent do not exist in a child of fork().
void forget_other_threads() {
  for (Node* node = all_nodes.load(); node != nullptr; node = node->next) {
    if (node == own_node) continue;
    node->word.store(nullptr);
    node->owned.store(false);
  }
}

Node* take_abandoned() {
  for (Node* node = all_nodes.load(std::memory_order_acquire); node != nullptr; node = node->next) {
    bool owned = false;
    if (node->owned.compare_exchange_strong(owned, true, std::memory_order_acq_rel)) return node;
  }
  return nullptr;
}

Node* add_node() {
  static const int kRegistered = pthread_atfork(nullptr, nullptr, forget_other_threads);
  static_cast<void>(kRegistered);
  auto* node = new Node;
  node->next = all_nodes.load(std::memory_order_relaxed);
  while (!all_nodes.compare_exchange_weak(node->next, node)) {
  }
  return node;
}

void adopt_node() {
  static thread_local Owner owner;
  static_cast<void>(owner);
  Node* node = take_abandoned();
  own_node = node != nullptr ? node : add_node();
}

}  // namespace

PinWord* free_pin() {
  if (own_node == nullptr) {
    if (thread_ends) return nullptr;
    adopt_node();
  }
  PinWord& word = own_node->word;
  return word.load(std::memory_order_relaxed) == nullptr ? &word : nullptr;
}

void wait_for_pins(const void* object) {
  for (Node* node = all_nodes.load(); node != nullptr; node = node->next) {
    while (node != own_node && node->word.load() == object) sched_yield();
  }
}

}  // namespace forager::syscall

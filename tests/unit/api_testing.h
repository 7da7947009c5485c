// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the public library share: nothing of forager but its public headers is needed for it.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "forager/forager.h"

// ThreadSanitizer takes fstat(2) on another thread's descriptor for a race. FdTable asks every descriptor of the
// process what it is; files that others open and close meanwhile are none of its own.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): the sanitizer's name
extern "C" inline __attribute__((used)) const char* __tsan_default_suppressions() {
  return "race:forager::syscall::FdTable::identity_of\n";
}

namespace forager {

inline std::string program_path(const std::string& name) {
  return std::string(FORAGER_PROGRAMS) + "/" + name + ".bpf.o";
}

// Loads an object that must load.
inline Object loaded(const std::string& name) {
  auto object = Object::load(program_path(name));
  if (!object) throw std::runtime_error(object.error().text());
  return *object;
}

template <class T>
Bytes bytes_of(const T& value) {
  Bytes out(sizeof value);
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

template <class T>
T value_of(const Bytes& bytes, std::size_t at = 0) {
  T out{};
  EXPECT_LE(at + sizeof out, bytes.size());
  if (at + sizeof out <= bytes.size()) std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

inline int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

}  // namespace forager

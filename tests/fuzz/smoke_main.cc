// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target on every seed file given, and on ROUNDS mutations of each: bytes flipped, ranges overwritten,
// cut short, doubled. Seeded, so that a failure repeats; the last input is in ./fuzz-last-input after a crash.
//
//   fuzz_smoke_NAME ROUNDS SEED-FILE-OR-FOLDER...
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/target.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

void flip(Bytes& bytes, Random& random) {
  if (!bytes.empty()) bytes[below(random, bytes.size())] ^= static_cast<std::uint8_t>(1U << below(random, 8));
}

// Numbers that lengths and offsets break on.
void set_word(Bytes& bytes, Random& random) {
  constexpr std::uint32_t kEdges[] = {0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  if (bytes.size() < 4) return;
  const std::uint32_t value = kEdges[below(random, std::size(kEdges))];
  const std::size_t at = below(random, bytes.size() - 3) & ~std::size_t{3};
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

void cut(Bytes& bytes, Random& random) { bytes.resize(below(random, bytes.size())); }

void repeat(Bytes& bytes, Random& random) {
  const std::size_t from = below(random, bytes.size());
  const Bytes piece(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end());
  bytes.insert(bytes.end(), piece.begin(), piece.end());
}

Bytes mutate(const Bytes& seed, Random& random) {
  constexpr void (*kMutations[])(Bytes&, Random&) = {flip, flip, flip, set_word, set_word, set_word, cut, repeat};
  Bytes out = seed;
  for (std::size_t i = 0, count = 1 + below(random, 4); i < count; ++i)
    kMutations[below(random, std::size(kMutations))](out, random);
  return out;
}

void run(const Bytes& input) {
  {
    std::ofstream last("fuzz-last-input", std::ios::binary | std::ios::trunc);
    last.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
  }
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

// The files that an argument names, in an order that repeats.
std::vector<std::string> files_of(const char* argument) {
  if (!std::filesystem::is_directory(argument)) return {argument};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(argument)) files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} ROUNDS SEED-FILE-OR-FOLDER...\n", argv[0]);
    return 2;
  }
  const unsigned long rounds = std::strtoul(argv[1], nullptr, 10);
  std::size_t inputs = 0;
  std::vector<std::string> files;
  for (int i = 2; i < argc; ++i) std::ranges::move(files_of(argv[i]), std::back_inserter(files));
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::ifstream file(files[i], std::ios::binary);
    const Bytes seed{std::istreambuf_iterator<char>(file), {}};
    if (seed.empty()) {
      fmt::print(stderr, "{}: cannot read the seed, or it is empty\n", files[i]);
      return 1;
    }
    Random random(i + 2);
    run(seed);
    for (unsigned long round = 0; round < rounds; ++round) run(mutate(seed, random));
    inputs += rounds + 1;
  }
  std::remove("fuzz-last-input");
  fmt::print("{} inputs, no finding\n", inputs);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
//
// The reader of golden files: lines to directives; what a directive's words mean is in golden_words.cc.
#include "golden_case.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "golden_words.h"

namespace forager::verifier::golden {
namespace {

constexpr std::pair<const char*, int> kErrors[] = {
    {"EACCES", EACCES}, {"EINVAL", EINVAL}, {"EPERM", EPERM},   {"E2BIG", E2BIG},
    {"EFAULT", EFAULT}, {"ENOENT", ENOENT}, {"EBADF", EBADF},   {"ENOTSUPP", 524},
    {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EDOM", EDOM},     {"EOPNOTSUPP", EOPNOTSUPP},
    {"EBUSY", EBUSY},   {"ERANGE", ERANGE}, {"ENOSYS", ENOSYS}, {"EDEADLK", EDEADLK},
};

class Reader {
 public:
  explicit Reader(std::string path) { file_.path = std::move(path); }

  Result<File> run(std::string_view content) {
    std::istringstream stream{std::string(content)};
    for (std::string line; std::getline(stream, line);) {
      file_.lines.push_back(line);
      if (auto done = read(line); !done) return located(done.error());
    }
    if (auto done = check_case(); !done) return located(done.error());
    return std::move(file_);
  }

 private:
  std::unexpected<Diagnostic> located(const Diagnostic& error) const {
    return fail(ErrorKind::input, EINVAL, fmt::format("{}:{}: {}", file_.path, file_.lines.size(), error.message));
  }

  Result<> read(std::string_view line) {
    if (line.empty() || line[0] == '#') return {};
    return line[0] == ' ' ? read_text(line) : read_directive(line);
  }

  Result<> read_text(std::string_view line) {
    std::string* text = prelude_ != nullptr ? prelude_ : in_case_ ? &current().text : nullptr;
    if (text == nullptr) return refuse("program text belongs into a case or a prelude");
    const std::vector<std::string> words = words_of(line);
    if (words.size() != 2 || words[0] != "use") {
      text->append(line).append("\n");
      return {};
    }
    const auto found = preludes_.find(words[1]);
    if (found == preludes_.end()) return refuse(fmt::format("no prelude is called '{}'", words[1]));
    text->append(found->second);
    return {};
  }

  Result<> read_directive(std::string_view line) {
    prelude_ = nullptr;
    Words words(line);
    const std::string word = words.next();
    if (word == "case") return begin_case(words.next());
    if (word == "prelude") {
      prelude_ = &preludes_[words.next()];
      return {};
    }
    if (auto known = read_setting(word, words, in_case_ ? current().setting : defaults_); !known || *known) {
      return known ? Result<>{} : std::unexpected(known.error());
    }
    return in_case_ ? read_expectation(word, words) : refuse(fmt::format("'{}' is no directive of a file", word));
  }

  Result<> begin_case(std::string name) {
    if (auto done = check_case(); !done) return done;
    const bool taken = std::ranges::find(file_.cases, name, &Case::name) != file_.cases.end();
    if (name.empty() || taken) return refuse(fmt::format("a case needs a name of its own, not '{}'", name));
    in_case_ = true;
    file_.cases.push_back({.file = std::filesystem::path(file_.path).stem().string(),
                           .name = std::move(name),
                           .line = file_.lines.size(),
                           .setting = defaults_});
    return {};
  }

  Result<> check_case() const {
    if (!in_case_ || file_.cases.back().verdict_line != 0) return {};
    return refuse(fmt::format("case {} has no verdict", file_.cases.back().name));
  }

  Result<> read_expectation(const std::string& word, Words& words) {
    if (word == "accept" || word == "reject") {
      current().verdict_line = file_.lines.size();
      return store(read_verdict(word, words), current().verdict);
    }
    if (word == "kernel") {
      const std::string verdict = words.next();
      return store(read_verdict(verdict, words), current().kernel.emplace());
    }
    if (word == "path") {
      current().path.push_back({.line = file_.lines.size(), .text = words.rest()});
      return {};
    }
    if (word == "hint") {
      current().hint = TextLine{.line = file_.lines.size(), .text = words.rest()};
      return {};
    }
    if (word == "fact" || word == "map_use") return read_fact(word == "map_use", words);
    return refuse(fmt::format("'{}' is no directive", word));
  }

  Result<> read_fact(bool of_map, Words& words) {
    std::string place = words.next();
    if (place.ends_with(':')) place.pop_back();
    current().facts.push_back(
        {.line = file_.lines.size(), .place = std::move(place), .text = words.rest(), .of_map = of_map});
    return {};
  }

  static Result<> store(Result<Verdict> read, Verdict& into) {
    if (!read) return std::unexpected(std::move(read.error()));
    into = std::move(*read);
    return {};
  }

  Case& current() { return file_.cases.back(); }

  File file_;
  Setting defaults_;
  std::map<std::string, std::string> preludes_;
  std::string* prelude_ = nullptr;  // that is being read
  bool in_case_ = false;
};

}  // namespace

int errno_of(std::string_view name) {
  const auto* found = std::ranges::find_if(kErrors, [&](const auto& row) { return name == row.first; });
  return found == std::end(kErrors) ? 0 : found->second;
}

std::string errno_name(int error) {
  const auto* found = std::ranges::find_if(kErrors, [&](const auto& row) { return error == row.second; });
  return found == std::end(kErrors) ? fmt::format("{}", error) : found->first;
}

Result<File> parse(std::string path, std::string_view content) { return Reader(std::move(path)).run(content); }

Result<File> read_file(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) return fail(ErrorKind::input, ENOENT, fmt::format("{}: cannot be read", path));
  return parse(path, std::string(std::istreambuf_iterator<char>(stream), {}));
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace forager::verifier::golden

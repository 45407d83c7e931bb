// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/question.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::predict {
namespace {

constexpr const char* kAsked = "?";
constexpr const char* kForms = "'entity relation', 'entity relation ?' or '? relation entity'";

struct Origin {
  std::string where;
  ExitStatus bad_status;
};

Question make_question(std::span<const std::string> words, const Origin& origin) {
  if (words.size() != 2 && words.size() != 3)
    fail(origin.bad_status, "{}: {} columns; a query is {}", origin.where, words.size(), kForms);
  if (std::any_of(words.begin(), words.end(), [](const std::string& word) { return word.empty(); }))
    fail(origin.bad_status, "{}: an empty name; a query is {}", origin.where, kForms);
  const bool asks_head = words.size() == 3 && words[0] == kAsked;
  const bool asks_tail = words.size() == 2 || words[2] == kAsked;
  if (asks_head == asks_tail)
    fail(origin.bad_status, "{}: exactly one end must be asked for with '?'; a query is {}", origin.where, kForms);
  return {asks_head ? words[2] : words[0], words[1], asks_head ? Side::kHead : Side::kTail, origin.where,
          origin.bad_status};
}

std::vector<std::string> split_at_tabs(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t start = 0;;) {
    const std::size_t tab = line.find('\t', start);
    words.emplace_back(line.substr(start, tab - start));
    if (tab == std::string_view::npos) return words;
    start = tab + 1;
  }
}

void read_file(const std::filesystem::path& file, const std::function<void(const Question&)>& consume) {
  const std::filesystem::path path = file == "-" ? "/dev/stdin" : file;
  const auto status = std::filesystem::status(path);
  if (!std::filesystem::exists(status))
    fail(ExitStatus::kMissingInput, "query file '{}' does not exist", file.string());
  if (std::filesystem::is_directory(status))
    fail(ExitStatus::kMissingInput, "query file '{}' is a folder", file.string());
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ExitStatus::kMissingInput, "query file '{}' cannot be opened: {}", file.string(), std::strerror(errno));
  std::string line;
  std::uint64_t number = 0;
  while (std::getline(in, line)) {
    ++number;
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.ends_with('\r')) line.pop_back();
    const bool is_hash = line.starts_with('#');
    if (line.empty() || (is_hash && line.find('\t') == std::string::npos)) continue;
    const Origin origin{fmt::format("{}:{}{}", file.string(), number, is_hash ? " (a line with tabs is a query)" : ""),
                        ExitStatus::kBadData};
    if (!text::is_utf8(line)) fail(origin.bad_status, "{}: not UTF-8", origin.where);
    consume(make_question(split_at_tabs(line), origin));
  }
  if (in.bad() || !in.eof()) fail(ExitStatus::kIo, "reading '{}' failed after line {}", file.string(), number);
}

}  // namespace

QuestionSource typed_question(std::vector<std::string> words) {
  return [words = std::move(words)](const std::function<void(const Question&)>& consume) {
    consume(make_question(words, {"--query", ExitStatus::kUsage}));
  };
}

QuestionSource question_file(std::filesystem::path file) {
  return [file = std::move(file)](const std::function<void(const Question&)>& consume) { read_file(file, consume); };
}

}  // namespace tessera::predict

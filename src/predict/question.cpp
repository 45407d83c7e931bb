// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/question.hpp"

#include "predict/name_list.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace tessera::predict {
namespace {

constexpr const char* kAsked = "?";
constexpr const char* kForms = "'entity relation', 'entity relation ?', '? relation entity' or 'entity ? entity'";

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
  const bool asks_relation = words.size() == 3 && words[1] == kAsked;
  const bool asks_tail = words.size() == 2 || words[2] == kAsked;
  if (int{asks_head} + int{asks_relation} + int{asks_tail} != 1)
    fail(origin.bad_status, "{}: exactly one word must be '?', which asks for it; a query is {}", origin.where, kForms);
  if (asks_relation) return {words[0], {}, Side::kRelation, words[2], origin.where, origin.bad_status};
  return {asks_head ? words[2] : words[0],
          words[1],
          asks_head ? Side::kHead : Side::kTail,
          std::string(),
          origin.where,
          origin.bad_status};
}

/// For messages about a line that may have been meant as a comment.
const char* hint(const std::string& line) { return line.starts_with('#') ? " (a line with tabs is a query)" : ""; }

}  // namespace

const char* name(Side side) {
  constexpr std::array<const char*, 3> kNames = {"tail", "head", "relation"};
  return kNames.at(static_cast<std::size_t>(side));
}

QuestionSource typed_questions(std::vector<std::vector<std::string>> questions) {
  return [questions = std::move(questions)](const std::function<void(const Question&)>& consume) {
    for (const std::vector<std::string>& words : questions)
      consume(make_question(words, {"--query", ExitStatus::kUsage}));
  };
}

QuestionSource question_file(std::filesystem::path file) {
  return [file = std::move(file)](const std::function<void(const Question&)>& consume) {
    LineReader lines(file, "query file");
    for (std::string line; lines.next(line);)
      if (!is_comment(line))
        consume(make_question(split_at_tabs(line), {lines.where() + hint(line), ExitStatus::kBadData}));
  };
}

}  // namespace tessera::predict

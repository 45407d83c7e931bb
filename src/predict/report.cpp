// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/report.hpp"

#include "core/text.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace tessera::predict {
namespace {

/// In reading order; numbers with the digits that a float has.
using Json =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;

std::string padded(const std::string& name, std::size_t columns) {
  return name + std::string(columns - std::min(columns, text::width(name)), ' ');
}

// "       birth_year: 1950; label: Ada".
std::string in_words(const std::vector<Shown>& shown) {
  std::string out;
  for (const Shown& attribute : shown)
    if (!attribute.values.empty())
      out += fmt::format("{}{}: {}", out.empty() ? "       " : "; ", attribute.name, fmt::join(attribute.values, ", "));
  return out.empty() ? out : out + "\n";
}

std::string question_of(const Prediction& prediction) {
  switch (prediction.question.side) {
    case Side::kHead: return fmt::format("? {} {}", prediction.relation, prediction.entity);
    case Side::kRelation: return fmt::format("{} ? {}", prediction.entity, prediction.other);
    case Side::kTail: break;
  }
  return fmt::format("{} {} ?", prediction.entity, prediction.relation);
}

}  // namespace

std::string to_text(const Prediction& prediction) {
  std::string out = question_of(prediction) + "\n";
  std::size_t columns = 0;
  for (const std::string& name : prediction.answer_names) columns = std::max(columns, text::width(name));
  for (std::size_t i = 0; i < prediction.answers.size(); ++i) {
    const Answer& answer = prediction.answers[i];
    out += fmt::format("{:>5}  {}  {:>10.4f}", i + 1, padded(prediction.answer_names[i], columns), answer.score);
    out += answer.known_in == KnownIn::kNowhere ? "\n" : fmt::format("  known ({})\n", name(answer.known_in));
    if (!prediction.shown.empty()) out += in_words(prediction.shown[i]);
  }
  return out + (prediction.answers.empty() ? "  no answers\n" : "");
}

std::string to_json(const Prediction& prediction) {
  Json out;
  out["entity"] = prediction.entity;
  const bool asks_relation = prediction.question.side == Side::kRelation;
  out[asks_relation ? "other" : "relation"] = asks_relation ? prediction.other : prediction.relation;
  out["asks"] = name(prediction.question.side);
  Json& answers = out["answers"] = Json::array();
  for (std::size_t i = 0; i < prediction.answers.size(); ++i) {
    const Answer& answer = prediction.answers[i];
    Json line;
    line["rank"] = i + 1;
    line[asks_relation ? "relation" : "entity"] = prediction.answer_names[i];
    line["score"] = answer.score;
    line["known_in"] = answer.known_in == KnownIn::kNowhere ? Json() : Json(name(answer.known_in));
    if (!prediction.shown.empty())
      for (const Shown& attribute : prediction.shown[i]) line["attributes"][attribute.name] = attribute.values;
    answers.push_back(std::move(line));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera::predict

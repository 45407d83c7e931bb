// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::predict {
namespace {

/// A JSON string; names are UTF-8 already.
std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      out += c;
  }
  return out + '"';
}

/// Characters of a UTF-8 string, for columns.
std::size_t width(const std::string& name) {
  return static_cast<std::size_t>(
      std::count_if(name.begin(), name.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& name, std::size_t columns) {
  return name + std::string(columns - std::min(columns, width(name)), ' ');
}

}  // namespace

std::string to_text(const Prediction& prediction) {
  const bool asks_head = prediction.question.side == Side::kHead;
  std::string out = asks_head ? fmt::format("? {} {}\n", prediction.relation, prediction.entity)
                              : fmt::format("{} {} ?\n", prediction.entity, prediction.relation);
  std::size_t columns = 0;
  for (const std::string& name : prediction.answer_names) columns = std::max(columns, width(name));
  for (std::size_t i = 0; i < prediction.answers.size(); ++i) {
    const Answer& answer = prediction.answers[i];
    out += fmt::format("{:>5}  {}  {:>10.4f}", i + 1, padded(prediction.answer_names[i], columns), answer.score);
    out += answer.known_in == KnownIn::kNowhere ? "\n" : fmt::format("  known ({})\n", name(answer.known_in));
  }
  return out + (prediction.answers.empty() ? "  no answers\n" : "");
}

std::string to_json(const Prediction& prediction) {
  const bool asks_head = prediction.question.side == Side::kHead;
  std::string out = fmt::format(R"({{"entity":{},"relation":{},"asks":"{}","answers":[)", quoted(prediction.entity),
                                quoted(prediction.relation), asks_head ? "head" : "tail");
  for (std::size_t i = 0; i < prediction.answers.size(); ++i) {
    const Answer& answer = prediction.answers[i];
    const std::string known =
        answer.known_in == KnownIn::kNowhere ? "null" : fmt::format("\"{}\"", name(answer.known_in));
    out += fmt::format(R"({}{{"rank":{},"entity":{},"score":{},"known_in":{}}})", i == 0 ? "" : ",", i + 1,
                       quoted(prediction.answer_names[i]), answer.score, known);
  }
  return out + "]}";
}

}  // namespace tessera::predict

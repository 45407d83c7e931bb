// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/answer_rows.hpp"

#include <fmt/ranges.h>

#include <cstdint>

namespace tessera::predict {
namespace {

std::vector<tables::Column> triple_columns() {
  return {{"head", tables::Type::kText, "name of the head"},
          {"relation", tables::Type::kText, "name of the relation"},
          {"tail", tables::Type::kText, "name of the tail"},
          {"score", tables::Type::kFloat, "score; a larger one is better"},
          {"rank", tables::Type::kWhole, "1 for the best answer of its query"},
          {"known", tables::Type::kText, "split that has the triple; empty: none"}};
}

}  // namespace

tables::Cell known_cell(KnownIn known) {
  return known == KnownIn::kNowhere ? tables::Cell() : tables::Cell(std::string(name(known)));
}

std::string joined(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, "; ")); }

std::vector<tables::Column> answer_columns(const std::vector<std::string>& shown) {
  std::vector<tables::Column> columns = triple_columns();
  for (const std::string& name : shown) columns.push_back({name, tables::Type::kText, "attribute of the answer"});
  return columns;
}

std::vector<tables::Column> pair_columns(const std::vector<std::string>& shown) {
  std::vector<tables::Column> columns = triple_columns();
  const std::vector<tables::Column> of_ends = end_columns(shown);
  columns.insert(columns.end(), of_ends.begin(), of_ends.end());
  return columns;
}

std::vector<tables::Column> end_columns(const std::vector<std::string>& shown) {
  std::vector<tables::Column> columns;
  for (const char* end : {"head", "tail"})
    for (const std::string& name : shown)
      columns.push_back(
          {fmt::format("{}_{}", end, name), tables::Type::kText, fmt::format("attribute of the {}", end)});
  return columns;
}

void append_rows(tables::TableWriter& table, const Prediction& prediction) {
  const Side side = prediction.question.side;
  for (std::size_t i = 0; i < prediction.answers.size(); ++i) {
    const Answer& answer = prediction.answers[i];
    const std::string& name_of_answer = prediction.answer_names[i];
    tables::Row row = {side == Side::kHead ? name_of_answer : prediction.entity,
                       side == Side::kRelation ? name_of_answer : prediction.relation,
                       side == Side::kTail       ? name_of_answer
                       : side == Side::kRelation ? prediction.other
                                                 : prediction.entity,
                       answer.score,
                       std::uint64_t{i + 1},
                       known_cell(answer.known_in)};
    if (!prediction.shown.empty())
      for (const Shown& attribute : prediction.shown[i]) row.emplace_back(joined(attribute.values));
    table.append(row);
  }
}

void add_shown(tables::Row& row, const ShownAttributes* shown, std::uint64_t entity) {
  if (shown == nullptr) return;
  for (const Shown& attribute : shown->of(entity)) row.emplace_back(joined(attribute.values));
}

}  // namespace tessera::predict

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "column_support.hpp"

#include "packing/bits.hpp"

#include <fmt/format.h>

namespace tessera::test {

TestColumn::TestColumn(std::vector<Row> rows, std::uint64_t entities, std::optional<attributes::Type> type)
    : rows_(std::move(rows)), entities_(entities) {
  std::vector<std::uint64_t> ids;
  std::vector<std::uint64_t> offsets = {0};
  std::string text;
  std::vector<std::uint32_t> datatypes;
  for (const Row& row : rows_) {
    ids.push_back(row.entity);
    offsets.push_back((text += row.text).size());
    datatypes.push_back(row.datatype);
  }
  const attributes::ColumnContent content{ids, offsets, text, datatypes};
  packed_ = attributes::encode_column(content, type ? *type : attributes::count_types(content).type());
  padded_ = packed_;
  padded_.resize(padded_.size() + packing::kPadding);
  column_.emplace(std::span(std::as_const(padded_)).first(packed_.size()), entities, std::uint64_t{1} << 32U);
}

std::string TestColumn::difference() const {
  if (column_->value_count() != rows_.size()) return "another number of values";
  std::size_t next = 0;
  std::string found;
  column_->for_each([&](std::uint64_t entity, std::uint64_t value, std::string_view text) {
    const Row& row = rows_.at(next++);
    if (found.empty() && (value != next - 1 || entity != row.entity || text != row.text))
      found = fmt::format("value {}: '{}' of {} became '{}' of {}", value, row.text, row.entity, text, entity);
  });
  for (std::size_t i = 0; i < rows_.size() && found.empty(); ++i) {
    const attributes::ValueRange range = column_->find(rows_[i].entity);
    if (i < range.first || i >= range.end) found = fmt::format("value {} is not found", i);
    if (column_->text(i) != rows_[i].text)
      found = fmt::format("value {}: '{}' became '{}'", i, rows_[i].text, column_->text(i));
    if (column_->datatype(i) != rows_[i].datatype) found = fmt::format("datatype of value {}", i);
  }
  return found;
}

std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>> TestColumn::select(
    const attributes::Comparison& comparison) const {
  std::vector<std::uint64_t> packed((entities_ + 63) / 64);
  column_->select(comparison, packed);
  std::vector<std::uint64_t> plain((entities_ + 63) / 64);
  for (const Row& row : rows_)
    if (comparison.holds(row.text)) plain[row.entity / 64] |= std::uint64_t{1} << (row.entity % 64);
  return {packed, plain};
}

std::vector<Row> rows_of(const std::vector<std::string>& texts) {
  std::vector<Row> rows;
  for (const std::string& text : texts) rows.push_back({rows.size(), text});
  return rows;
}

}  // namespace tessera::test

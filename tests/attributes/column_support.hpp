// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/column.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::test {

/// One value of a test column.
struct Row {
  std::uint64_t entity;
  std::string text;
  std::uint32_t datatype = 0;
};

/// A column in the memory of a test, and packed.
class TestColumn {
 public:
  explicit TestColumn(std::vector<Row> rows, std::uint64_t entities, std::optional<attributes::Type> type = {});

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<std::uint8_t>& packed() const { return packed_; }
  [[nodiscard]] const attributes::Column& column() const { return *column_; }
  /// The first difference between what was packed and what comes back; empty when there is none.
  [[nodiscard]] std::string difference() const;
  /// Entities that are selected, by the packed column and one by one.
  [[nodiscard]] std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>> select(
      const attributes::Comparison& comparison) const;

 private:
  std::vector<Row> rows_;
  std::uint64_t entities_;
  std::vector<std::uint8_t> packed_;
  std::vector<std::uint8_t> padded_;
  std::optional<attributes::Column> column_;
};

/// One value for each text: entity 0, 1, ...
std::vector<Row> rows_of(const std::vector<std::string>& texts);

}  // namespace tessera::test

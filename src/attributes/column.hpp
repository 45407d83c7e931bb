// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/comparison.hpp"
#include "attributes/encoding.hpp"
#include "attributes/entity_list.hpp"
#include "attributes/numbers.hpp"
#include "attributes/value.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes {

namespace detail {
class Values;
}

/// The values of one attribute as they are read: rows of values, ordered by entity.
struct ColumnContent {
  std::span<const std::uint64_t> entities;   ///< [values] ascending; an entity may have several values
  std::span<const std::uint64_t> offsets;    ///< [values + 1] into `text`
  std::span<const char> text;                ///< UTF-8
  std::span<const std::uint32_t> datatypes;  ///< [values] which datatype or language each has
  [[nodiscard]] std::uint64_t size() const { return entities.size(); }
  [[nodiscard]] std::string_view value(std::uint64_t i) const {
    return {text.data() + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  }
};

/// What the texts of a column are.
struct TypeCounts {
  std::uint64_t numbers = 0;
  std::uint64_t dates = 0;
  std::uint64_t texts = 0;
  /// That of all values, else text.
  [[nodiscard]] Type type() const;
  /// At least half of the values are of one other type than text, but not all.
  [[nodiscard]] bool is_mixed() const;
};
TypeCounts count_types(const ColumnContent& content);

/// Packs a column in the encoding with the fewest bytes, which are `type` and everything else that Column reads. Takes
/// a few times the memory of the column.
std::vector<std::uint8_t> encode_column(const ColumnContent& content, Type type);

/// A packed column, read where it is: the bytes outlive it. Every text comes back exactly. Bytes may come from
/// anywhere: whoever damaged them, the answer is an Error(kBadData) and never a crash.
class Column {
 public:
  /// `bytes` begin at a multiple of 8 and have packing::kPadding readable bytes behind them; entities are below
  /// `entities`, datatypes below `datatypes`; `where` is for messages. Throws Error(kBadData), as all that reads
  /// values. O(entities of the column).
  Column(std::span<const std::uint8_t> bytes, std::uint64_t entities, std::uint64_t datatypes,
         std::string where = "a packed column");
  Column(Column&&) noexcept;
  Column& operator=(Column&&) noexcept;
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;
  ~Column();

  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] Encoding encoding() const { return encoding_; }
  [[nodiscard]] std::uint64_t value_count() const { return count_; }
  [[nodiscard]] std::uint64_t entity_count() const { return entities_.entity_count(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// The values of an entity; none when it has no value. O(log entities), as text() and datatype() O(1): nothing else
  /// of the column is unpacked.
  [[nodiscard]] ValueRange find(std::uint64_t entity) const { return entities_.find(entity); }
  [[nodiscard]] std::string text(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t datatype(std::uint64_t value) const;

  /// Calls visit(entity, value, text) for all values in order.
  using Visit = std::function<void(std::uint64_t entity, std::uint64_t value, std::string_view text)>;
  void for_each(const Visit& visit) const;

  /// Sets bit e of `rows` [(entities + 63) / 64] for every entity e with a value for which the comparison holds. The
  /// type of its constant is that of the column.
  void select(const Comparison& comparison, std::span<std::uint64_t> rows) const;
  /// The same for every entity that has a value.
  void select_all(std::span<std::uint64_t> rows) const;

 private:
  void open(std::span<const std::uint8_t> bytes, std::uint64_t entities, std::uint64_t datatypes);

  std::string where_;
  Type type_ = Type::kText;
  Encoding encoding_ = Encoding::kBlocks;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  EntityList entities_;
  std::vector<std::uint64_t> local_datatypes_;
  Numbers datatype_codes_;  // none when all values have one datatype
  std::unique_ptr<detail::Values> values_;
};

}  // namespace tessera::attributes

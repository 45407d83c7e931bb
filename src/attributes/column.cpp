// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/column.hpp"

#include "attributes/detail/values.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

std::vector<std::uint64_t> read_datatypes(detail::ByteReader& reader, std::uint64_t values, std::uint64_t bound) {
  const std::uint64_t count = reader.varint(std::min(values, bound), "it has more datatypes than there are");
  if (count == 0) detail::damaged("its values have no datatype");
  std::vector<std::uint64_t> datatypes(count, 0);
  const Numbers packed(reader, count);
  for (std::uint64_t i = 0; i < count; ++i) {
    datatypes[i] = static_cast<std::uint64_t>(packed[i]);
    if (datatypes[i] >= bound) detail::damaged("a datatype is out of range");
  }
  return datatypes;
}

/// Whether comparisons with a constant of that type can be made in the encoding.
bool fits(Encoding encoding, Type type) {
  switch (encoding) {
    case Encoding::kDecimal:
    case Encoding::kSplit:
    case Encoding::kDouble: return type == Type::kNumber;
    case Encoding::kDate: return type == Type::kDate;
    case Encoding::kDictionary:
    case Encoding::kBlocks: break;
  }
  return true;
}

}  // namespace

Type TypeCounts::type() const {
  if (texts == 0 && dates == 0 && numbers > 0) return Type::kNumber;
  return texts == 0 && numbers == 0 && dates > 0 ? Type::kDate : Type::kText;
}

bool TypeCounts::is_mixed() const {
  return type() == Type::kText && 2 * std::max(numbers, dates) >= numbers + dates + texts && numbers + dates > 0;
}

TypeCounts count_types(const ColumnContent& content) {
  TypeCounts counts;
  for (std::uint64_t i = 0; i < content.size(); ++i) {
    const Type type = type_of(content.value(i));
    ++(type == Type::kNumber ? counts.numbers : type == Type::kDate ? counts.dates : counts.texts);
  }
  return counts;
}

Column::Column(std::span<const std::uint8_t> bytes, std::uint64_t entities, std::uint64_t datatypes, std::string where)
    : where_(std::move(where)), bytes_(bytes.size()) {
  detail::located(where_, [&] { open(bytes, entities, datatypes); });
}

void Column::open(std::span<const std::uint8_t> bytes, std::uint64_t entities, std::uint64_t datatypes) {
  detail::ByteReader reader(bytes);
  const std::uint8_t type = reader.byte();
  const std::uint8_t encoding = reader.byte();
  if (type > static_cast<std::uint8_t>(Type::kDate)) detail::damaged("its type is not known");
  if (encoding >= kEncodings) detail::damaged("its encoding is not known");
  type_ = static_cast<Type>(type);
  encoding_ = static_cast<Encoding>(encoding);
  if (!fits(encoding_, type_)) detail::damaged("its encoding is for another type");
  count_ = reader.varint();
  if (count_ == 0) return;
  entities_ = EntityList(reader, count_, entities);
  local_datatypes_ = read_datatypes(reader, count_, datatypes);
  if (local_datatypes_.size() > 1) datatype_codes_ = Numbers(reader, count_);
  values_ = detail::open_values(encoding_, reader, count_);
}

Column::Column(Column&&) noexcept = default;
Column& Column::operator=(Column&&) noexcept = default;
Column::~Column() = default;

std::string Column::text(std::uint64_t value) const {
  return detail::located(where_, [&] { return values_->text(value); });
}

std::uint64_t Column::datatype(std::uint64_t value) const {
  if (local_datatypes_.size() == 1) return local_datatypes_.front();
  const auto code = static_cast<std::uint64_t>(datatype_codes_[value]);
  if (code >= local_datatypes_.size()) detail::located(where_, [] { detail::damaged("a datatype is out of range"); });
  return local_datatypes_[code];
}

void Column::for_each(const Visit& visit) const {
  if (count_ == 0) return;
  std::uint64_t next = 0;
  ValueRange of;
  std::uint64_t entity = 0;
  const auto visit_value = [&](std::uint64_t i, std::string_view text) {
    if (i == of.end) {
      of = entities_.values(next);
      entity = entities_.entity(next++);
    }
    visit(entity, i, text);
  };
  detail::located(where_, [&] { values_->for_each(visit_value); });
}

void Column::select(const Comparison& comparison, std::span<std::uint64_t> rows) const {
  if (count_ == 0) return;
  std::vector<std::uint64_t> bits((count_ + 63) / 64);
  detail::located(where_, [&] { values_->select(comparison, bits); });
  entities_.select(bits, rows);
}

void Column::select_all(std::span<std::uint64_t> rows) const {
  entities_.for_each(
      [&](std::uint64_t entity, const ValueRange&) { rows[entity / 64] |= std::uint64_t{1} << (entity % 64); });
}

}  // namespace tessera::attributes

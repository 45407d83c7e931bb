// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_attributes.hpp"

#include "attributes/table.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <optional>
#include <string>

namespace tessera::cli {
namespace {

using attributes::Column;
using attributes::Number;
using attributes::Type;

/// Keeps the least and the largest of some values.
template <class Value>
class Range {
 public:
  void add(Value value, std::string_view text) {
    if (!least_ || value < *least_) {
      least_text_ = text;
      least_ = value;
    }
    if (largest_ && !(value > *largest_)) return;
    largest_text_ = text;
    largest_ = std::move(value);
  }
  [[nodiscard]] std::string in_words() const {
    return least_ ? fmt::format(", {} to {}", least_text_, largest_text_) : std::string();
  }

 private:
  std::optional<Value> least_;
  std::optional<Value> largest_;
  std::string least_text_;
  std::string largest_text_;
};

std::string range_of(const Column& column) {
  Range<Number> numbers;
  Range<std::string> dates;
  column.for_each([&](std::uint64_t, std::uint64_t, std::string_view text) {
    if (column.type() == Type::kDate) dates.add(std::string(text), text);
    if (column.type() != Type::kNumber) return;
    auto number = Number::parse(text);
    if (number && number->kind != Number::Kind::kNan) numbers.add(std::move(*number), text);
  });
  return numbers.in_words() + dates.in_words();
}

}  // namespace

nlohmann::ordered_json describe_attributes(const storage::FileReader& file, std::uint64_t entities) {
  nlohmann::ordered_json out;
  const attributes::Table table(file, entities);
  for (std::size_t k = 0; k < table.schema().size(); ++k) {
    const Column& column = table.column(k);
    const double bits = column.value_count() == 0
                            ? 0
                            : 8 * static_cast<double>(column.bytes()) / static_cast<double>(column.value_count());
    out[table.schema().names[k]] =
        fmt::format("{}: {} values of {} entities, {} in {}, {:.1f} bits each{}", attributes::name(column.type()),
                    text::with_thousands(column.value_count()), text::with_thousands(column.entity_count()),
                    attributes::name(column.encoding()), text::bytes(column.bytes()), bits, range_of(column));
  }
  return out;
}

}  // namespace tessera::cli

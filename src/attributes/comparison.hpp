// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/value.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace tessera::attributes {

/// kContains: of texts alone; the case of ASCII letters does not matter.
enum class Relation : std::uint8_t { kEqual, kNotEqual, kBelow, kAtMost, kAbove, kAtLeast, kContains };

/// Of a date, in days.
struct Date {
  std::int64_t day = 0;
  auto operator<=>(const Date&) const = default;
};

/// A value that attributes are compared with: a text (by bytes), a finite number or a date.
using Constant = std::variant<std::string, Number, Date>;

/// `value RELATION constant`, exact. The value is of the type of the constant.
class Comparison {
 public:
  Comparison(Relation relation, Constant constant) : relation_(relation), constant_(std::move(constant)) {}

  /// Whether it holds for a value; never for NaN.
  [[nodiscard]] bool holds(std::string_view text) const;
  /// The value against the constant.
  [[nodiscard]] std::partial_ordering compare(std::string_view text) const;
  [[nodiscard]] Relation relation() const { return relation_; }
  [[nodiscard]] const Constant& constant() const { return constant_; }

 private:
  Relation relation_;
  Constant constant_;
};

}  // namespace tessera::attributes

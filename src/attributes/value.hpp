// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::attributes {

/// What all values of an attribute are. Mixed ones are text.
enum class Type : std::uint8_t { kText, kNumber, kDate };
/// "text", "number", "date".
const char* name(Type type);

/// A number as a text says it, without rounding. "-1.50e3" is -0.15 * 10^4.
struct Number {
  enum class Kind : std::uint8_t { kFinite, kInfinite, kNan };
  Kind kind = Kind::kFinite;
  bool negative = false;
  std::string digits;         ///< without zeros at either end; none for 0
  std::int64_t exponent = 0;  ///< the value is 0.DIGITS * 10^exponent

  /// Sign, digits, a point, an exponent; NaN, nan, INF, inf, Infinity. Nothing for any other text.
  static std::optional<Number> parse(std::string_view text);
  static Number of(std::int64_t value);

  /// Exact. NaN is neither below, nor above, nor equal to anything.
  std::partial_ordering operator<=>(const Number& other) const;
  bool operator==(const Number& other) const { return (*this <=> other) == std::partial_ordering::equivalent; }
};

/// The largest whole number <= value * 10^scale.
struct ScaledFloor {
  std::int64_t floor = 0;  ///< -2^63 or 2^63 - 1 beyond 18 digits
  bool is_exact = false;   ///< it is value * 10^scale
};
/// `value` is finite.
ScaledFloor scaled_floor(const Number& value, unsigned scale);

/// What a text of the form -?(0|[1-9][0-9]*)(.[0-9]*)? with at most 18 digits says.
struct FixedPoint {
  std::int64_t mantissa = 0;  ///< all digits as one number
  unsigned decimals = 0;
  bool has_point = false;
  bool is_negative_zero = false;
};
std::optional<FixedPoint> parse_fixed_point(std::string_view text);
/// The mantissa with a point before its last `decimals` digits: (-5, 2) is "-0.05". No point when they are 0.
std::string to_text(std::int64_t mantissa, unsigned decimals);

/// Days since 1970-01-01 of YYYY-MM-DD: years 0001 to 9999 of the Gregorian calendar. Nothing for any other text.
std::optional<std::int64_t> parse_date(std::string_view text);
std::string date_text(std::int64_t day);
/// First and last day that have such a text.
inline constexpr std::int64_t kFirstDay = -719162;
inline constexpr std::int64_t kLastDay = 2932896;

/// The type of one text.
Type type_of(std::string_view text);

}  // namespace tessera::attributes

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace tessera::attributes {
namespace {

constexpr std::int64_t kLargestExponent = 1'000'000'000'000;
constexpr std::size_t kMostDigits = 18;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The digits at the front of `text`, which are taken off it.
std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

/// "e-12" in whole. Saturates.
std::optional<std::int64_t> parse_exponent(std::string_view text) {
  text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::string_view digits = take_digits(text);
  if (digits.empty() || !text.empty()) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : digits) value = std::min(kLargestExponent, value * 10 + (c - '0'));
  return negative ? -value : value;
}

std::optional<Number> parse_special(std::string_view text, bool negative) {
  Number number;
  number.negative = negative;
  if (text == "INF" || text == "inf" || text == "Infinity") {
    number.kind = Number::Kind::kInfinite;
    return number;
  }
  if (text != "NaN" && text != "nan") return std::nullopt;
  number.kind = Number::Kind::kNan;
  return number;
}

/// Takes zeros off both ends of the digits.
void normalise(Number& number) {
  const std::size_t first = number.digits.find_first_not_of('0');
  if (first == std::string::npos) {
    number = {};
    return;
  }
  number.digits.erase(0, first);
  number.exponent -= static_cast<std::int64_t>(first);
  number.digits.erase(number.digits.find_last_not_of('0') + 1);
}

struct Civil {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

// Proleptic Gregorian calendar in eras of 400 years that begin in March (H. Hinnant, "chrono-compatible low-level date
// algorithms").
std::int64_t day_of(const Civil& date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t of_era = year - era * 400;
  const std::int64_t of_year = (153 * (static_cast<std::int64_t>(date.month) + (date.month > 2 ? -3 : 9)) + 2) / 5 +
                               static_cast<std::int64_t>(date.day) - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

Civil civil_of(std::int64_t day) {
  day += 719468;
  const std::int64_t era = (day >= 0 ? day : day - 146096) / 146097;
  const std::int64_t of_era = day - era * 146097;
  const std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const std::int64_t month = (5 * of_year + 2) / 153;
  const auto civil_month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
  return {year + era * 400 + (civil_month <= 2 ? 1 : 0), civil_month,
          static_cast<unsigned>(of_year - (153 * month + 2) / 5 + 1)};
}

}  // namespace

const char* name(Type type) {
  constexpr std::array<const char*, 3> kNames = {"text", "number", "date"};
  return kNames.at(static_cast<std::size_t>(type));
}

std::optional<Number> Number::parse(std::string_view text) {
  Number number;
  number.negative = text.starts_with('-');
  if (number.negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  if (!is_digit(text.front()) && text.front() != '.') return parse_special(text, number.negative);
  const std::string_view whole = take_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  number.digits.append(whole).append(fraction);
  number.exponent = static_cast<std::int64_t>(whole.size());
  if (!text.empty()) {
    if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
    const auto exponent = parse_exponent(text);
    if (!exponent) return std::nullopt;
    number.exponent += *exponent;
  }
  normalise(number);
  return number;
}

Number Number::of(std::int64_t value) { return *parse(fmt::format("{}", value)); }

std::partial_ordering Number::operator<=>(const Number& other) const {
  if (kind == Kind::kNan || other.kind == Kind::kNan) return std::partial_ordering::unordered;
  const auto sign = [](const Number& number) {
    if (number.kind == Kind::kFinite && number.digits.empty()) return 0;
    return number.negative ? -1 : 1;
  };
  if (sign(*this) != sign(other) || sign(*this) == 0) return sign(*this) <=> sign(other);
  const Number& a = negative ? other : *this;
  const Number& b = negative ? *this : other;
  if (a.kind != b.kind) return a.kind <=> b.kind;
  if (a.kind == Kind::kInfinite) return std::partial_ordering::equivalent;
  if (a.exponent != b.exponent) return a.exponent <=> b.exponent;
  return a.digits <=> b.digits;
}

ScaledFloor scaled_floor(const Number& value, unsigned scale) {
  const std::int64_t places = value.exponent + static_cast<std::int64_t>(scale);  // digits before the point
  if (value.digits.empty()) return {0, true};
  if (places > static_cast<std::int64_t>(kMostDigits))
    return {value.negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max(),
            false};
  std::int64_t whole = 0;
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(0, places));
  for (std::size_t i = 0; i < count; ++i) whole = whole * 10 + (i < value.digits.size() ? value.digits[i] - '0' : 0);
  const bool is_exact = places >= static_cast<std::int64_t>(value.digits.size());
  if (!value.negative) return {whole, is_exact};
  return {is_exact ? -whole : -whole - 1, is_exact};
}

std::optional<FixedPoint> parse_fixed_point(std::string_view text) {
  FixedPoint out;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::string_view whole = take_digits(text);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) return std::nullopt;
  std::string_view fraction;
  if (text.starts_with('.')) {
    out.has_point = true;
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (!text.empty() || whole.size() + fraction.size() > kMostDigits) return std::nullopt;
  for (const char c : whole) out.mantissa = out.mantissa * 10 + (c - '0');
  for (const char c : fraction) out.mantissa = out.mantissa * 10 + (c - '0');
  out.decimals = static_cast<unsigned>(fraction.size());
  out.is_negative_zero = negative && out.mantissa == 0;
  if (negative) out.mantissa = -out.mantissa;
  return out;
}

std::string to_text(std::int64_t mantissa, unsigned decimals) {
  std::array<char, 48> buffer;  // 20 digits, up to 18 zeros before them, a sign and a point
  const bool negative = mantissa < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(mantissa) : static_cast<std::uint64_t>(mantissa);
  char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude).ptr;
  std::string digits(buffer.data(), end);
  if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
  if (decimals > 0) digits.insert(digits.size() - decimals, 1, '.');
  return negative ? '-' + digits : digits;
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto field = [&](std::size_t first, std::size_t count) {  // 0, which no field may be, when it is no number
    unsigned value = 0;
    for (const char c : text.substr(first, count)) {
      if (!is_digit(c)) return 0U;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
  };
  const unsigned year = field(0, 4);
  const unsigned month = field(5, 2);
  const unsigned day = field(8, 2);
  if (year == 0 || month == 0 || month > 12 || day == 0) return std::nullopt;
  const std::int64_t date = day_of({year, month, day});
  const Civil back = civil_of(date);  // another month: the day does not exist
  if (back.month != month || back.day != day) return std::nullopt;
  return date;
}

std::string date_text(std::int64_t day) {
  const Civil date = civil_of(day);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

Type type_of(std::string_view text) {
  if (parse_fixed_point(text) || Number::parse(text)) return Type::kNumber;
  return parse_date(text) ? Type::kDate : Type::kText;
}

}  // namespace tessera::attributes

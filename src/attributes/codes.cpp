// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/detail/values.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace tessera::attributes::detail {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostMantissa = 1'000'000'000'000'000'000;

constexpr auto kPowers = [] {
  std::array<std::int64_t, DecimalCode::kMost + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

/// Keeps the order of doubles; its own inverse.
std::int64_t in_order(std::int64_t bits) { return bits ^ ((bits >> 63) & kLargest); }

double to_double(std::int64_t number) { return std::bit_cast<double>(in_order(number)); }

/// Of `center` - 3 .. `center` + 3, the first whose value is not below (above) the constant. The value of center is
/// near the constant.
std::optional<std::int64_t> first_near(const Code& code, std::int64_t center, const Constant& constant, bool above) {
  const Comparison comparison(above ? Relation::kAbove : Relation::kAtLeast, constant);
  for (std::int64_t number = center - 3; number <= center + 3; ++number)
    if (comparison.holds(code.decode(number))) return number;
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> DecimalCode::encode(std::string_view text) const {
  const auto value = parse_fixed_point(text);
  if (!value || value->is_negative_zero || value->has_point != (value->decimals > 0)) return std::nullopt;
  if (value->decimals < least_ || value->decimals > most_) return std::nullopt;
  if (value->decimals > least_ && value->mantissa % 10 == 0) return std::nullopt;
  const std::int64_t scale = kPowers.at(most_ - value->decimals);
  if (std::abs(value->mantissa) > kMostMantissa / scale) return std::nullopt;
  return value->mantissa * scale;
}

std::string DecimalCode::decode(std::int64_t number) const {
  unsigned decimals = most_;
  for (; decimals > least_ && number % 10 == 0; --decimals) number /= 10;
  return to_text(number, decimals);
}

std::optional<std::int64_t> DecimalCode::first(const Constant& constant, bool above) const {
  const ScaledFloor scaled = scaled_floor(std::get<Number>(constant), most_);
  if (scaled.is_exact && !above) return scaled.floor;
  if (scaled.floor == kLargest) return std::nullopt;
  return scaled.floor == kLeast ? kLeast : scaled.floor + 1;
}

/// A damaged column may hold any number.
std::string DateCode::decode(std::int64_t number) const {
  if (number < kFirstDay || number > kLastDay) damaged("a day is out of range");
  return date_text(number);
}

std::optional<std::int64_t> DateCode::first(const Constant& constant, bool above) const {
  return std::get<Date>(constant).day + (above ? 1 : 0);
}

std::optional<std::int64_t> DoubleCode::encode(std::string_view text) const {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  const std::int64_t number = in_order(std::bit_cast<std::int64_t>(value));
  return decode(number) == text ? std::optional(number) : std::nullopt;
}

std::string DoubleCode::decode(std::int64_t number) const {
  std::array<char, 32> buffer;
  const double value = to_double(number);
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

std::optional<std::int64_t> DoubleCode::first(const Constant& constant, bool above) const {
  constexpr std::int64_t kMostExponent = 309;
  const auto& number = std::get<Number>(constant);
  const auto of = [](double value) { return in_order(std::bit_cast<std::int64_t>(value)); };
  if (number.exponent > kMostExponent) return number.negative ? std::optional(of(-HUGE_VAL)) : std::nullopt;
  double value = 0;  // what is too small for a double is near it
  const std::string text = fmt::format("{}0.{}e{}", number.negative ? "-" : "",
                                       number.digits.empty() ? "0" : number.digits, number.exponent);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() && number.exponent > 0)  // above the largest
    return number.negative ? std::optional(of(-HUGE_VAL)) : std::nullopt;
  return first_near(*this, of(value), constant, above);
}

std::optional<std::pair<std::int64_t, std::string_view>> WholeCode::split(std::string_view text) {
  constexpr std::size_t kMostDigits = 18;
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::size_t digits = point - std::min(point, sign);
  const bool is_canonical = digits == 1 || (digits > 1 && text[sign] != '0');
  if (!is_canonical || digits > kMostDigits) return std::nullopt;
  std::int64_t whole = 0;
  for (std::size_t i = sign; i < text.size(); ++i) {
    if (i == point) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    if (i < point) whole = whole * 10 + (text[i] - '0');
  }
  return std::pair(sign == 1 ? ~whole : whole, text.substr(point));
}

std::optional<std::int64_t> WholeCode::encode(std::string_view text) const {
  const auto parts = split(text);
  return parts && parts->second == fraction_ ? std::optional(parts->first) : std::nullopt;
}

std::string WholeCode::decode(std::int64_t number) const {
  return number < 0 ? fmt::format("-{}{}", ~number, fraction_) : fmt::format("{}{}", number, fraction_);
}

std::optional<std::int64_t> WholeCode::first(const Constant& constant, bool above) const {
  const ScaledFloor scaled = scaled_floor(std::get<Number>(constant), 0);
  if (scaled.floor == kLargest) return std::nullopt;
  if (scaled.floor == kLeast) return kLeast;
  return first_near(*this, scaled.floor, constant, above);
}

std::vector<Interval> intervals(const Code& code, const Comparison& comparison) {
  const auto from = [&](bool above) -> Interval {
    const auto first = code.first(comparison.constant(), above);
    return first ? Interval{*first, kLargest} : Interval{};
  };
  const auto before = [&](bool above) -> Interval {
    const auto first = code.first(comparison.constant(), above);
    if (!first) return {kLeast, kLargest};
    return *first == kLeast ? Interval{} : Interval{kLeast, *first - 1};
  };
  switch (comparison.relation()) {
    case Relation::kEqual: {
      const Interval low = from(false);
      const Interval high = before(true);
      const bool is_none = low.low > low.high || high.low > high.high;
      return {is_none ? Interval{} : Interval{low.low, high.high}};
    }
    case Relation::kNotEqual: return {before(false), from(true)};
    case Relation::kBelow: return {before(false)};
    case Relation::kAtMost: return {before(true)};
    case Relation::kAbove: return {from(true)};
    case Relation::kAtLeast: return {from(false)};
    case Relation::kContains: break;  // of texts alone
  }
  return {};
}

}  // namespace tessera::attributes::detail

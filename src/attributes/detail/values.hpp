// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/comparison.hpp"
#include "attributes/encoding.hpp"
#include "attributes/numbers.hpp"
#include "attributes/strings.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes::detail {

/// The packed texts of a column, in one encoding.
class Values {
 public:
  using Visit = std::function<void(std::uint64_t i, std::string_view text)>;
  virtual ~Values() = default;
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  /// Exactly as it was. Throws Error(kBadData).
  [[nodiscard]] virtual std::string text(std::uint64_t i) const = 0;
  /// All texts in order.
  virtual void for_each(const Visit& visit) const = 0;
  /// Sets the bits of the texts for which the comparison holds.
  virtual void select(const Comparison& comparison, std::span<std::uint64_t> bits) const = 0;
};

/// Reads `count` values where they are. Throws Error(kBadData).
std::unique_ptr<Values> open_values(Encoding encoding, ByteReader& reader, std::uint64_t count);

/// Texts that a code for numbers cannot give back, by position.
class Outliers {
 public:
  static void encode(std::span<const std::int64_t> positions, std::span<const std::string_view> texts, Bytes& out);

  Outliers() = default;
  Outliers(ByteReader& reader, std::uint64_t count);
  [[nodiscard]] std::uint64_t size() const { return positions_.size(); }
  [[nodiscard]] std::optional<std::string_view> find(std::uint64_t position) const;
  /// Sets or clears their bits.
  void select(const Comparison& comparison, std::span<std::uint64_t> bits) const;

 private:
  Numbers positions_;
  PlainStrings texts_;
};

/// A text as a whole number, and back: what all codes for numbers share. Larger numbers are larger values.
class Code {
 public:
  virtual ~Code() = default;
  [[nodiscard]] virtual std::optional<std::int64_t> encode(std::string_view text) const = 0;
  [[nodiscard]] virtual std::string decode(std::int64_t number) const = 0;
  /// The least number whose value is not below (or, with `above`, above) the constant; none when no number has it.
  [[nodiscard]] virtual std::optional<std::int64_t> first(const Constant& constant, bool above) const = 0;
};

/// Decimals with up to `most` digits behind the point. Zeros at the end are not written, but for `least` digits.
class DecimalCode final : public Code {
 public:
  static constexpr unsigned kMost = 18;
  DecimalCode(unsigned least, unsigned most) : least_(least), most_(most) {}
  [[nodiscard]] std::optional<std::int64_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::int64_t number) const override;
  [[nodiscard]] std::optional<std::int64_t> first(const Constant& constant, bool above) const override;

 private:
  unsigned least_;
  unsigned most_;
};

class DateCode final : public Code {
 public:
  [[nodiscard]] std::optional<std::int64_t> encode(std::string_view text) const override { return parse_date(text); }
  [[nodiscard]] std::string decode(std::int64_t number) const override;
  [[nodiscard]] std::optional<std::int64_t> first(const Constant& constant, bool above) const override;
};

/// IEEE doubles that are written in the fewest digits, as std::to_chars does.
class DoubleCode final : public Code {
 public:
  [[nodiscard]] std::optional<std::int64_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::int64_t number) const override;
  [[nodiscard]] std::optional<std::int64_t> first(const Constant& constant, bool above) const override;
};

/// The part of a decimal before its point, where the text from the point on is known: 12 is "12.50", ~12 is "-12.50".
class WholeCode final : public Code {
 public:
  explicit WholeCode(std::string fraction) : fraction_(std::move(fraction)) {}
  /// The whole number, and the text behind it.
  static std::optional<std::pair<std::int64_t, std::string_view>> split(std::string_view text);
  [[nodiscard]] std::optional<std::int64_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::int64_t number) const override;
  [[nodiscard]] std::optional<std::int64_t> first(const Constant& constant, bool above) const override;

 private:
  std::string fraction_;
};

/// The intervals of numbers for which a comparison holds.
std::vector<Interval> intervals(const Code& code, const Comparison& comparison);

}  // namespace tessera::attributes::detail

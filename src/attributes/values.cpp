// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/detail/values.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace tessera::attributes {

const char* name(Encoding encoding) {
  constexpr std::array<const char*, kEncodings> kNames = {"decimal", "split", "date", "double", "dictionary", "blocks"};
  return kNames.at(static_cast<std::size_t>(encoding));
}

namespace detail {
namespace {

using BlockOf = std::array<std::int64_t, Numbers::kBlock>;

void set_bit(std::span<std::uint64_t> bits, std::uint64_t i) { bits[i / 64] |= std::uint64_t{1} << (i % 64); }

/// Calls visit(i, number) for all.
template <class Visit>
void for_each_number(const Numbers& numbers, const Visit& visit) {
  BlockOf block{};
  for (std::uint64_t b = 0; b < numbers.block_count(); ++b) {
    const std::size_t count = numbers.read_block(b, block);
    for (std::size_t i = 0; i < count; ++i) visit(b * Numbers::kBlock + i, block.at(i));
  }
}

/// Texts that are numbers by one code, and outliers.
class CodedValues final : public Values {
 public:
  CodedValues(std::unique_ptr<Code> code, ByteReader& reader, std::uint64_t count)
      : code_(std::move(code)), outliers_(reader, count), numbers_(reader, count) {}

  [[nodiscard]] std::string text(std::uint64_t i) const override {
    const auto outlier = outliers_.find(i);
    return outlier ? std::string(*outlier) : code_->decode(numbers_[i]);
  }
  void for_each(const Visit& visit) const override {
    for_each_number(numbers_, [&](std::uint64_t i, std::int64_t number) {
      const auto outlier = outliers_.find(i);
      outlier ? visit(i, *outlier) : visit(i, code_->decode(number));
    });
  }
  void select(const Comparison& comparison, std::span<std::uint64_t> bits) const override {
    for (const Interval& interval : intervals(*code_, comparison)) numbers_.select(interval, bits);
    outliers_.select(comparison, bits);
  }

 private:
  std::unique_ptr<Code> code_;
  Outliers outliers_;
  Numbers numbers_;
};

/// Whole numbers and the texts behind them, which are few.
class SplitValues final : public Values {
 public:
  SplitValues(ByteReader& reader, std::uint64_t count) {
    const std::uint64_t fractions = reader.varint(count, "it has more fractions than values");
    if (fractions == 0) damaged("it has no fractions");
    for (std::string& fraction : FrontCoded(reader, fractions).all()) codes_.emplace_back(std::move(fraction));
    outliers_ = Outliers(reader, count);
    wholes_ = Numbers(reader, count);
    if (fractions > 1) fractions_ = Numbers(reader, count);
  }

  [[nodiscard]] std::string text(std::uint64_t i) const override {
    const auto outlier = outliers_.find(i);
    return outlier ? std::string(*outlier) : code(codes_.size() > 1 ? fractions_[i] : 0).decode(wholes_[i]);
  }
  void for_each(const Visit& visit) const override {
    for_each_pair([&](std::uint64_t i, std::int64_t whole, std::int64_t fraction) {
      const auto outlier = outliers_.find(i);
      outlier ? visit(i, *outlier) : visit(i, code(fraction).decode(whole));
    });
  }
  void select(const Comparison& comparison, std::span<std::uint64_t> bits) const override {
    if (codes_.size() == 1) {
      for (const Interval& interval : intervals(codes_.front(), comparison)) wholes_.select(interval, bits);
    } else {
      select_pairs(comparison, bits);
    }
    outliers_.select(comparison, bits);
  }

 private:
  [[nodiscard]] const WholeCode& code(std::int64_t fraction) const {
    if (static_cast<std::uint64_t>(fraction) >= codes_.size()) damaged("a fraction is out of range");
    return codes_[static_cast<std::size_t>(fraction)];
  }
  template <class Visit>
  void for_each_pair(const Visit& visit) const {
    BlockOf wholes{};
    BlockOf fractions{};
    for (std::uint64_t b = 0; b < wholes_.block_count(); ++b) {
      const std::size_t count = wholes_.read_block(b, wholes);
      if (codes_.size() > 1) fractions_.read_block(b, fractions);
      for (std::size_t i = 0; i < count; ++i) visit(b * Numbers::kBlock + i, wholes.at(i), fractions.at(i));
    }
  }
  void select_pairs(const Comparison& comparison, std::span<std::uint64_t> bits) const {
    std::vector<std::array<Interval, 2>> of_fraction(codes_.size());
    for (std::size_t f = 0; f < codes_.size(); ++f) {
      const std::vector<Interval> found = intervals(codes_[f], comparison);
      std::copy(found.begin(), found.end(), of_fraction[f].begin());
    }
    if (select_groups(of_fraction, bits)) return;
    for_each_pair([&](std::uint64_t i, std::int64_t whole, std::int64_t fraction) {
      if (static_cast<std::uint64_t>(fraction) >= of_fraction.size()) damaged("a fraction is out of range");
      const auto& [first, second] = of_fraction[static_cast<std::size_t>(fraction)];
      if (first.has(whole) || second.has(whole)) set_bit(bits, i);
    });
  }
  /// Fractions have few different intervals of wholes, and those of one interval are few runs, as fractions ascend.
  /// When they are not, nothing is selected.
  bool select_groups(const std::vector<std::array<Interval, 2>>& of_fraction, std::span<std::uint64_t> bits) const {
    constexpr std::size_t kMostRuns = 6;
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Interval>> groups;  // interval of wholes -> fractions
    std::size_t runs = 0;
    for (std::size_t f = 0; f < of_fraction.size(); ++f)
      for (const Interval& wholes : of_fraction[f]) {
        if (wholes.low > wholes.high) continue;
        std::vector<Interval>& fractions = groups[{wholes.low, wholes.high}];
        const auto code = static_cast<std::int64_t>(f);
        if (!fractions.empty() && fractions.back().high == code - 1)
          fractions.back().high = code;
        else if (fractions.push_back({code, code}); ++runs > kMostRuns)
          return false;
      }
    for (const auto& [wholes, fractions] : groups) {
      std::vector<std::uint64_t> of_wholes(bits.size());
      std::vector<std::uint64_t> of_fractions(bits.size());
      wholes_.select({wholes.first, wholes.second}, of_wholes);
      for (const Interval& run : fractions) fractions_.select(run, of_fractions);
      for (std::size_t w = 0; w < bits.size(); ++w) bits[w] |= of_wholes[w] & of_fractions[w];
    }
    return true;
  }

  std::vector<WholeCode> codes_;  // of each fraction
  Outliers outliers_;
  Numbers wholes_;
  Numbers fractions_;
};

/// Distinct texts in order of their values, and codes.
class DictionaryValues final : public Values {
 public:
  DictionaryValues(ByteReader& reader, std::uint64_t count) {
    const std::uint64_t texts = reader.varint(count, "it has more texts than values");
    if (texts == 0) damaged("it has no texts");
    texts_ = FrontCoded(reader, texts);
    codes_ = Numbers(reader, count);
  }

  [[nodiscard]] std::string text(std::uint64_t i) const override { return texts_[checked(codes_[i])]; }
  void for_each(const Visit& visit) const override {
    const std::vector<std::string> texts = texts_.all();
    for_each_number(codes_, [&](std::uint64_t i, std::int64_t code) { visit(i, texts[checked(code)]); });
  }
  void select(const Comparison& comparison, std::span<std::uint64_t> bits) const override {
    std::vector<std::uint8_t> holds;
    for (const std::string& text : texts_.all()) holds.push_back(comparison.holds(text) ? 1 : 0);
    const std::vector<Interval> runs = runs_of(holds);
    if (runs.size() <= kMostRuns) {
      for (const Interval& run : runs) codes_.select(run, bits);
      return;
    }
    for_each_number(codes_, [&](std::uint64_t i, std::int64_t code) {
      if (holds[checked(code)] != 0) set_bit(bits, i);
    });
  }

 private:
  static constexpr std::size_t kMostRuns = 4;
  [[nodiscard]] std::uint64_t checked(std::int64_t code) const {
    if (static_cast<std::uint64_t>(code) >= texts_.size()) damaged("a code is out of range");
    return static_cast<std::uint64_t>(code);
  }
  static std::vector<Interval> runs_of(const std::vector<std::uint8_t>& holds) {
    std::vector<Interval> runs;
    for (std::size_t i = 0; i < holds.size(); ++i) {
      if (holds[i] == 0) continue;
      const auto code = static_cast<std::int64_t>(i);
      if (!runs.empty() && runs.back().high == code - 1)
        runs.back().high = code;
      else
        runs.push_back({code, code});
    }
    return runs;
  }

  FrontCoded texts_;
  Numbers codes_;
};

class BlockValues final : public Values {
 public:
  BlockValues(ByteReader& reader, std::uint64_t count) : texts_(reader, count) {}
  [[nodiscard]] std::string text(std::uint64_t i) const override { return texts_[i]; }
  void for_each(const Visit& visit) const override { texts_.for_each(0, texts_.size(), visit); }
  void select(const Comparison& comparison, std::span<std::uint64_t> bits) const override {
    for_each([&](std::uint64_t i, std::string_view text) {
      if (comparison.holds(text)) set_bit(bits, i);
    });
  }

 private:
  TextBlocks texts_;
};

}  // namespace

void Outliers::encode(std::span<const std::int64_t> positions, std::span<const std::string_view> texts, Bytes& out) {
  put_varint(out, positions.size());
  Numbers::encode(positions, out);
  PlainStrings::encode(texts, out);
}

Outliers::Outliers(ByteReader& reader, std::uint64_t count) {
  const std::uint64_t size = reader.varint(count, "it has more outliers than values");
  positions_ = Numbers(reader, size);
  texts_ = PlainStrings(reader, size);
}

std::optional<std::string_view> Outliers::find(std::uint64_t position) const {
  const auto wanted = static_cast<std::int64_t>(position);
  std::uint64_t low = 0;
  std::uint64_t high = positions_.size();
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (positions_[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == positions_.size() || positions_[low] != wanted) return std::nullopt;
  return texts_[low];
}

void Outliers::select(const Comparison& comparison, std::span<std::uint64_t> bits) const {
  for (std::uint64_t i = 0; i < positions_.size(); ++i) {
    const auto position = static_cast<std::uint64_t>(positions_[i]);
    if (position / 64 >= bits.size()) damaged("an outlier is out of range");
    bits[position / 64] &= ~(std::uint64_t{1} << (position % 64));
    if (comparison.holds(texts_[i])) set_bit(bits, position);
  }
}

std::unique_ptr<Values> open_values(Encoding encoding, ByteReader& reader, std::uint64_t count) {
  switch (encoding) {
    case Encoding::kDecimal: {
      const unsigned least = reader.byte();
      const unsigned most = reader.byte();
      if (least > most || most > DecimalCode::kMost) damaged("it has too many decimals");
      return std::make_unique<CodedValues>(std::make_unique<DecimalCode>(least, most), reader, count);
    }
    case Encoding::kSplit: return std::make_unique<SplitValues>(reader, count);
    case Encoding::kDate: return std::make_unique<CodedValues>(std::make_unique<DateCode>(), reader, count);
    case Encoding::kDouble: return std::make_unique<CodedValues>(std::make_unique<DoubleCode>(), reader, count);
    case Encoding::kDictionary: return std::make_unique<DictionaryValues>(reader, count);
    case Encoding::kBlocks: return std::make_unique<BlockValues>(reader, count);
  }
  damaged("its encoding is not known");
}

}  // namespace detail
}  // namespace tessera::attributes

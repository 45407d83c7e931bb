// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/column.hpp"
#include "attributes/detail/values.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <utility>

namespace tessera::attributes {
namespace {

using detail::Bytes;
using detail::Code;
using detail::DecimalCode;

constexpr std::size_t kSample = 4096;
constexpr std::uint64_t kMostFractions = 1U << 14U;
constexpr std::uint64_t kMostDistinct = std::uint64_t{1} << 22U;  // of numbers, whose order is slow to find

constexpr std::size_t kWorthwhile = 100;  // an encoding that is slower to read must save one part of so many

/// What an encoding makes of a column.
struct Packed {
  Encoding encoding = Encoding::kBlocks;
  Bytes bytes;
  std::uint64_t outliers = 0;
};

/// Numbers by a code, and the texts that it cannot give back. The places of those have the number before them, which
/// costs the least.
class Coded {
 public:
  void add(std::optional<std::int64_t> number, std::string_view text) {
    if (!number) {
      positions_.push_back(static_cast<std::int64_t>(numbers_.size()));
      texts_.push_back(text);
    } else if (positions_.size() == numbers_.size()) {
      std::fill(numbers_.begin(), numbers_.end(), *number);
    }
    numbers_.push_back(number ? *number : numbers_.empty() ? 0 : numbers_.back());
  }
  void write(Bytes& out) const {
    detail::Outliers::encode(positions_, texts_, out);
    Numbers::encode(numbers_, out);
  }
  [[nodiscard]] std::uint64_t outliers() const { return positions_.size(); }

 private:
  std::vector<std::int64_t> numbers_;
  std::vector<std::int64_t> positions_;
  std::vector<std::string_view> texts_;
};

Packed pack_coded(const ColumnContent& content, Encoding encoding, const Code& code, Bytes header) {
  Coded coded;
  for (std::uint64_t i = 0; i < content.size(); ++i) coded.add(code.encode(content.value(i)), content.value(i));
  coded.write(header);
  return {encoding, std::move(header), coded.outliers()};
}

/// The digits behind the point that are the fewest and the most, of which a sample of the column takes the fewest
/// bytes.
std::pair<unsigned, unsigned> choose_decimals(const ColumnContent& content) {
  std::vector<std::string_view> sample;
  const std::uint64_t step = std::max<std::uint64_t>(1, content.size() / kSample);
  for (std::uint64_t i = 0; i < content.size(); i += step) sample.push_back(content.value(i));
  std::array<bool, DecimalCode::kMost + 1> occurs{};
  occurs[0] = true;
  for (const std::string_view text : sample)
    if (const auto value = parse_fixed_point(text); value && value->decimals < occurs.size())
      occurs.at(value->decimals) = true;
  std::pair<unsigned, unsigned> best{0, 0};
  std::size_t best_bytes = SIZE_MAX;
  for (unsigned most = 0; most <= DecimalCode::kMost; ++most) {
    if (!occurs.at(most)) continue;
    for (const unsigned least : {0U, std::min(1U, most), most}) {
      const DecimalCode code(least, most);
      Coded coded;
      for (const std::string_view text : sample) coded.add(code.encode(text), text);
      Bytes bytes;
      coded.write(bytes);
      if (bytes.size() >= best_bytes) continue;
      best = {least, most};
      best_bytes = bytes.size();
    }
  }
  return best;
}

Packed pack_decimals(const ColumnContent& content) {
  const auto [least, most] = choose_decimals(content);
  return pack_coded(content, Encoding::kDecimal, DecimalCode(least, most),
                    {static_cast<std::uint8_t>(least), static_cast<std::uint8_t>(most)});
}

/// Nothing when there are too many different fractions.
std::optional<Packed> pack_split(const ColumnContent& content) {
  std::map<std::string_view, std::int64_t> fractions;
  for (std::uint64_t i = 0; i < content.size(); ++i) {
    if (const auto parts = detail::WholeCode::split(content.value(i))) fractions.emplace(parts->second, 0);
    if (fractions.size() > kMostFractions || 2 * fractions.size() > content.size() + 2) return std::nullopt;
  }
  if (fractions.empty()) return std::nullopt;
  std::vector<std::string_view> texts;
  for (auto& [text, code] : fractions) {
    code = static_cast<std::int64_t>(texts.size());
    texts.push_back(text);
  }
  Coded wholes;
  std::vector<std::int64_t> codes;
  for (std::uint64_t i = 0; i < content.size(); ++i) {
    const auto parts = detail::WholeCode::split(content.value(i));
    wholes.add(parts ? std::optional(parts->first) : std::nullopt, content.value(i));
    codes.push_back(parts ? fractions.at(parts->second) : 0);
  }
  Packed packed{Encoding::kSplit, {}, wholes.outliers()};
  detail::put_varint(packed.bytes, texts.size());
  FrontCoded::encode(
      texts.size(), [&](std::uint64_t i) { return texts[i]; }, packed.bytes);
  wholes.write(packed.bytes);
  if (texts.size() > 1) Numbers::encode(codes, packed.bytes);
  return packed;
}

/// In order of their values, so that a comparison selects one run of codes.
std::vector<std::string_view> in_order(std::vector<std::string_view> texts, Type type) {
  std::sort(texts.begin(), texts.end());
  if (type != Type::kNumber) return texts;  // dates of one form are in order
  std::vector<std::pair<Number, std::string_view>> numbers;
  for (const std::string_view text : texts) numbers.emplace_back(Number::parse(text).value_or(Number{}), text);
  const auto is_nan = [](const Number& number) { return number.kind == Number::Kind::kNan; };
  std::stable_sort(numbers.begin(), numbers.end(), [&](const auto& a, const auto& b) {
    return is_nan(a.first) || is_nan(b.first) ? is_nan(b.first) && !is_nan(a.first) : a.first < b.first;
  });
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = numbers[i].second;
  return texts;
}

/// Nothing when there are too many different texts.
std::optional<Packed> pack_dictionary(const ColumnContent& content, Type type) {
  const std::uint64_t most = type == Type::kText ? content.size() : std::min(kMostDistinct, content.size() / 2 + 1);
  std::unordered_map<std::string_view, std::int64_t> codes;
  for (std::uint64_t i = 0; i < content.size(); ++i) {
    codes.emplace(content.value(i), 0);
    if (codes.size() > most) return std::nullopt;
  }
  std::vector<std::string_view> texts;
  for (const auto& [text, code] : codes) texts.push_back(text);
  texts = in_order(std::move(texts), type);
  for (std::size_t i = 0; i < texts.size(); ++i) codes[texts[i]] = static_cast<std::int64_t>(i);
  std::vector<std::int64_t> of_value;
  for (std::uint64_t i = 0; i < content.size(); ++i) of_value.push_back(codes.at(content.value(i)));
  Packed packed{Encoding::kDictionary, {}, 0};
  detail::put_varint(packed.bytes, texts.size());
  FrontCoded::encode(
      texts.size(), [&](std::uint64_t i) { return texts[i]; }, packed.bytes);
  Numbers::encode(of_value, packed.bytes);
  return packed;
}

Packed pack_blocks(const ColumnContent& content) {
  Packed packed;
  TextBlocks::encode(
      content.size(), [&](std::uint64_t i) { return content.value(i); }, packed.bytes);
  return packed;
}

/// Whether blocks of text can take less than `bytes`, as a sample of the column says.
bool blocks_may_win(const ColumnContent& content, std::uint64_t bytes) {
  constexpr std::uint64_t kPieces = 32;
  constexpr std::uint64_t kPiece = 1024;
  if (content.size() <= 2 * kPieces * kPiece) return true;
  const std::uint64_t step = content.size() / kPieces;
  Bytes packed;
  TextBlocks::encode(
      kPieces * kPiece, [&](std::uint64_t i) { return content.value(i / kPiece * step + i % kPiece); }, packed);
  const double expected = static_cast<double>(packed.size()) * static_cast<double>(content.size()) / (kPieces * kPiece);
  return 0.7 * expected < static_cast<double>(bytes);
}

Packed pack_values(const ColumnContent& content, Type type) {
  std::optional<Packed> best;
  const auto consider = [&](std::optional<Packed> packed) {
    if (packed && (!best || packed->bytes.size() < best->bytes.size() - best->bytes.size() / kWorthwhile))
      best = std::move(packed);
  };
  if (type == Type::kNumber) {
    consider(pack_decimals(content));
    consider(pack_split(content));
    if (4 * best->outliers > content.size()) consider(pack_coded(content, Encoding::kDouble, detail::DoubleCode(), {}));
  }
  if (type == Type::kDate) consider(pack_coded(content, Encoding::kDate, detail::DateCode(), {}));
  consider(pack_dictionary(content, type));
  const bool fits_badly = !best || type == Type::kText || 4 * best->outliers > content.size();
  if (fits_badly && (!best || blocks_may_win(content, best->bytes.size()))) consider(pack_blocks(content));
  return std::move(*best);
}

void pack_datatypes(std::span<const std::uint32_t> datatypes, Bytes& out) {
  std::map<std::uint32_t, std::int64_t> codes;
  for (const std::uint32_t datatype : datatypes) codes.emplace(datatype, 0);
  std::vector<std::int64_t> distinct;
  for (auto& [datatype, code] : codes) {
    code = static_cast<std::int64_t>(distinct.size());
    distinct.push_back(datatype);
  }
  detail::put_varint(out, distinct.size());
  Numbers::encode(distinct, out);
  if (distinct.size() == 1) return;
  std::vector<std::int64_t> of_value;
  for (const std::uint32_t datatype : datatypes) of_value.push_back(codes.at(datatype));
  Numbers::encode(of_value, out);
}

}  // namespace

std::vector<std::uint8_t> encode_column(const ColumnContent& content, Type type) {
  Bytes out = {static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(Encoding::kBlocks)};
  detail::put_varint(out, content.size());
  if (content.size() == 0) return out;
  EntityList::encode(content.entities, out);
  pack_datatypes(content.datatypes, out);
  const Packed packed = pack_values(content, type);
  out[1] = static_cast<std::uint8_t>(packed.encoding);
  detail::put_bytes(out, packed.bytes);
  return out;
}

}  // namespace tessera::attributes

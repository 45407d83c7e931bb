// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/symbol_trainer.hpp"

#include "storage/detail/name_bucket.hpp"
#include "storage/detail/prefix_code.hpp"
#include "storage/detail/symbol_parser.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace tessera::storage::detail {
namespace {

constexpr int kRounds = 5;
constexpr std::size_t kMostTexts = 1500;  // more cost speed and, by longer codes, bytes
constexpr std::size_t kMostEnds = 64;
constexpr double kUnits = 256;  // of cost in a bit
constexpr double kSymbolBits = 8 * sizeof(Symbol);
constexpr double kEscapeBits = kMostCodeBits + 8;
constexpr double kFewPairs = 3;

double bits_of(double count, double total) {
  return std::clamp(std::log2(total / count), 1.0, static_cast<double>(kMostCodeBits));
}

std::size_t length_of(std::uint64_t key) { return static_cast<std::size_t>(key >> 56U); }

std::string_view text_of(const std::uint64_t& key) { return {reinterpret_cast<const char*>(&key), length_of(key)}; }

// Both texts as one, or 0 when that is too long.
std::uint64_t joined(std::uint64_t a, std::uint64_t b) {
  if (a == 0 || b == 0 || length_of(a) + length_of(b) > kMostText) return 0;
  std::string text(text_of(a));
  text += text_of(b);
  return text_key(text.data(), text.size());
}

SymbolParser make_parser(const auto& texts, double total) {
  std::vector<SymbolParser::Text> costs;
  for (const auto& text : texts)
    costs.push_back({text.key, static_cast<std::uint32_t>(kUnits * bits_of(std::max(text.count, 1.0), total))});
  return SymbolParser(costs, static_cast<std::uint32_t>(kUnits * kEscapeBits));
}

struct Weighted {
  std::uint64_t weight;
  Symbol symbol;
};

Symbol make_symbol(std::uint8_t kind, std::string_view text) {
  Symbol symbol;
  symbol.kind = kind;
  std::copy(text.begin(), text.end(), symbol.text.begin());
  return symbol;
}

SymbolTable make_table(std::vector<Weighted> symbols) {
  std::stable_sort(symbols.begin(), symbols.end(),
                   [](const Weighted& a, const Weighted& b) { return a.weight > b.weight; });
  std::vector<std::uint64_t> weights;
  for (const Weighted& symbol : symbols) weights.push_back(symbol.weight);
  const std::vector<std::uint8_t> lengths = code_lengths(weights, kMostCodeBits);
  std::vector<Symbol> rows;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    rows.push_back(symbols[i].symbol);
    rows.back().bits = lengths[i];
  }
  return SymbolTable(std::move(rows));
}

}  // namespace

void SymbolTrainer::add_bucket(std::span<const std::string> strings, std::size_t prefix) {
  std::size_t shared = prefix;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    // A very long string says no more than its start.
    text_ += std::string_view(strings[i]).substr(shared, SymbolParser::kMostPiece);
    ends_.push_back(text_.size());
    shared = i + 1 < strings.size() ? shared_bytes(strings[i], strings[i + 1]) : 0;
    if (i + 1 < strings.size()) shared_.push_back(shared);
  }
}

std::vector<SymbolTrainer::Text> SymbolTrainer::single_bytes(double scale) const {
  std::array<double, 256> counts{};
  for (const char c : text_) ++counts.at(static_cast<unsigned char>(c));
  std::vector<Text> texts;
  for (std::size_t byte = 0; byte < counts.size(); ++byte)
    if (counts.at(byte) * scale * (kEscapeBits - kMostCodeBits) > kSymbolBits)
      texts.push_back({byte | std::uint64_t{1} << 56U, counts.at(byte)});
  return texts;
}

SymbolTrainer::Usage SymbolTrainer::measure(std::vector<Text> texts) const {
  Usage usage;
  usage.total = static_cast<double>(ends_.size());
  for (const Text& text : texts) usage.total += text.count;
  SymbolParser parser = make_parser(texts, usage.total);
  for (Text& text : texts) text.count = 0;
  std::vector<std::uint64_t> pairs;
  std::size_t first = 0;
  for (const std::uint64_t end : ends_) {
    std::uint64_t last = 0;
    for (const std::uint16_t index : parser.parse(std::string_view(text_).substr(first, end - first))) {
      const bool is_escaped = (index & SymbolParser::kEscaped) != 0;
      const std::uint64_t key = is_escaped ? 0 : texts[index].key;
      if (!is_escaped) ++texts[index].count;
      const std::uint64_t pair = joined(last, key);
      if (pair != 0) pairs.push_back(pair);
      last = key;
    }
    first = end;
  }
  std::sort(pairs.begin(), pairs.end());
  for (std::size_t i = 0, next = 0; i < pairs.size(); i = next) {
    while (next < pairs.size() && pairs[next] == pairs[i]) ++next;
    const auto count = static_cast<double>(next - i);
    if (count >= kFewPairs) usage.pairs.push_back({pairs[i], count});
  }
  usage.total = static_cast<double>(ends_.size());
  for (const Text& text : texts) usage.total += text.count;
  usage.texts = std::move(texts);
  return usage;
}

std::vector<SymbolTrainer::Text> SymbolTrainer::choose(const Usage& usage, double scale) {
  struct Candidate {
    double gain;
    Text text;
  };
  SymbolParser parser = make_parser(usage.texts, usage.total);
  std::vector<Candidate> candidates;
  const auto consider = [&](const Text& text) {
    const std::string_view bytes = text_of(text.key);
    const double apart = static_cast<double>(parser.cost(bytes, bytes.size() - 1)) / kUnits;
    const double gain = text.count * (apart - bits_of(std::max(text.count, 1.0), usage.total));
    if (gain * scale > kSymbolBits) candidates.push_back({gain, text});
  };
  std::vector<Text> chosen;
  std::unordered_set<std::uint64_t> known;
  for (const Text& text : usage.texts) {
    known.insert(text.key);
    if (length_of(text.key) == 1)
      chosen.push_back(text);
    else
      consider(text);
  }
  for (const Text& pair : usage.pairs)
    if (!known.contains(pair.key)) consider(pair);
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.gain != b.gain ? a.gain > b.gain : a.text.key < b.text.key;
  });
  candidates.resize(std::min(candidates.size(), kMostTexts));
  for (const Candidate& candidate : candidates) chosen.push_back(candidate.text);
  return chosen;
}

/// How often each number of shared bytes occurs.
std::map<std::uint64_t, std::uint64_t> SymbolTrainer::count_ends() const {
  std::map<std::uint64_t, std::uint64_t> counts;
  for (const std::uint64_t shared : shared_) ++counts[shared];
  counts[0] += 1 + ends_.size() - shared_.size();  // the last strings of buckets
  std::vector<std::pair<std::uint64_t, std::uint64_t>> common;
  for (const auto& [shared, count] : counts)
    if (shared < 256) common.emplace_back(count, shared);
  std::sort(common.rbegin(), common.rend());
  common.resize(std::min(common.size(), kMostEnds));
  std::map<std::uint64_t, std::uint64_t> kept;
  for (const auto& [count, shared] : common) kept[shared] = count;
  return kept;
}

SymbolTable SymbolTrainer::train(double scale) const {
  std::vector<Text> texts = single_bytes(scale);
  for (int round = 0; round < kRounds; ++round) texts = choose(measure(std::move(texts)), scale);
  std::vector<Weighted> symbols;
  for (const Text& text : measure(std::move(texts)).texts) {
    const bool may_occur = text.count > 0 || (length_of(text.key) == 1 && scale > 1);
    if (!may_occur) continue;
    symbols.push_back({static_cast<std::uint64_t>(std::max(text.count, 1.0)),
                       make_symbol(static_cast<std::uint8_t>(length_of(text.key)), text_of(text.key))});
  }
  for (const auto& [shared, count] : count_ends()) {
    const auto byte = static_cast<char>(shared);
    symbols.push_back({count, make_symbol(kEnd, {&byte, 1})});
  }
  symbols.push_back({1, make_symbol(kLongEnd, {})});
  symbols.push_back({1, make_symbol(kEscape, {})});
  return make_table(std::move(symbols));
}

}  // namespace tessera::storage::detail

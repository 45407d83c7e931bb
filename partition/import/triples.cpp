// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/triples.hpp"

#include "core/error.hpp"
#include "core/progress.hpp"
#include "partition/import/external_sort.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

namespace tessera::partition {
namespace {

constexpr unsigned kDigitBits = 11;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
constexpr std::size_t kWorthRadix = 4096;
constexpr std::uint64_t kProgressKeys = std::uint64_t{1} << 16U;
constexpr std::size_t kRanksAhead = 24;
constexpr std::size_t kReadBufferBytes = std::size_t{1} << 20U;

std::size_t digit(TripleKey key, unsigned shift) {
  return static_cast<std::size_t>(key.value >> shift) & (kDigits - 1);
}

// One stable pass of a radix sort, from `from` to `to`.
void scatter(std::span<const TripleKey> from, std::span<TripleKey> to, unsigned shift) {
  std::array<std::size_t, kDigits> next{};
  for (const TripleKey key : from) ++next[digit(key, shift)];
  std::size_t sum = 0;
  for (std::size_t& start : next) sum += std::exchange(start, sum);
  for (const TripleKey key : from) to[next[digit(key, shift)]++] = key;
}

struct WeightedKey {
  TripleKey key;
  float weight;
  bool operator<(const WeightedKey& other) const { return key != other.key ? key < other.key : weight < other.weight; }
};

void sort_records(std::vector<WeightedKey>& records, std::vector<WeightedKey>& /*scratch*/) {
  std::sort(records.begin(), records.end());
}

// Calls visit(key) for the keys of `spilled`, in the ids of `maps`.
template <class Visit>
void for_each_mapped(const KeyFile& spilled, const IdMaps& maps, Progress& progress, const Visit& visit) {
  KeyFile::Reader reader(spilled);
  const KeyLayout from = spilled.layout();
  std::uint64_t done = 0;
  for (std::span<const TripleKey> block = reader.next(); !block.empty(); block = reader.next()) {
    progress.update(done += block.size());
    for (std::size_t i = 0; i < block.size(); ++i) {
      const TripleKey key = block[i];
      if (i + kRanksAhead < block.size()) {
        maps.entity_ranks.prefetch(from.head(block[i + kRanksAhead]));
        maps.entity_ranks.prefetch(from.tail(block[i + kRanksAhead]));
      }
      visit(maps.layout.pack(maps.entity_ranks[from.head(key)], maps.relation_ranks[from.relation(key)],
                             maps.entity_ranks[from.tail(key)]));
    }
  }
}

// Adds up the weights of triples that are the same, in ascending order: the order of the input changes no bit.
class WeightSum {
 public:
  WeightSum(KeyFile& keys, WeightFile& weights) : keys_(keys), weights_(weights) {}
  void add(const WeightedKey& record) {
    if (record.key != last_) end();
    last_ = record.key;
    sum_ += static_cast<double>(record.weight);
  }
  void end() {
    if (last_ == kNone) return;
    if (!std::isfinite(static_cast<float>(sum_)))
      fail(ExitStatus::kBadData, "the weights of a repeated triple add up to {}, which is too large", sum_);
    keys_.add(last_);
    weights_.add(static_cast<float>(std::exchange(sum_, 0)));
  }

 private:
  static constexpr TripleKey kNone{~TripleKey::Integer{0}};
  KeyFile& keys_;
  WeightFile& weights_;
  TripleKey last_ = kNone;
  double sum_ = 0;
};

}  // namespace

void sort_records(std::vector<TripleKey>& keys, std::vector<TripleKey>& scratch) {
  if (keys.size() < kWorthRadix) {
    std::sort(keys.begin(), keys.end());
    return;
  }
  TripleKey::Integer differing = 0;
  for (const TripleKey key : keys) differing |= key.value ^ keys.front().value;
  scratch.resize(keys.size());
  for (unsigned shift = 0; shift < 128 && (differing >> shift) != 0; shift += kDigitBits) {
    if (digit({differing}, shift) == 0) continue;
    scatter(keys, scratch, shift);
    keys.swap(scratch);
  }
}

KeyLayout KeyLayout::for_counts(std::uint64_t entities, std::uint64_t relations) {
  const auto bits = [](std::uint64_t count) {
    return std::max(1U, static_cast<unsigned>(std::bit_width(count > 0 ? count - 1 : 0)));
  };
  return {bits(entities), bits(relations)};
}

void KeyFile::write_block() {
  file_.append(std::as_bytes(std::span(block_)));
  count_ += block_.size();
  block_.clear();
}

void KeyFile::finish() {
  write_block();
  std::vector<TripleKey>().swap(block_);
  file_.flush();
}

KeyFile::Reader::Reader(const KeyFile& file)
    : reader_(file.file_, 0, file.size() * sizeof(TripleKey), kReadBufferBytes) {}

WeightFile::Reader::Reader(const WeightFile& file) : reader_(file.file_, 0, file.file_.bytes(), kReadBufferBytes) {}

std::span<const float> WeightFile::Reader::take(std::size_t count) {
  const std::span<const std::byte> bytes = reader_.take(count * sizeof(float));
  TESSERA_ASSERT(bytes.size() == count * sizeof(float), "each triple has a weight");
  return {reinterpret_cast<const float*>(bytes.data()), count};
}

SplitTriples sort_triples(const KeyFile& spilled, const IdMaps& maps, const SortSettings& settings,
                          std::uint64_t& duplicates) {
  ExternalSorter<TripleKey> sorter(settings.folder, settings.memory_bytes);
  Progress progress("Sorting", 2 * spilled.size(), "steps");
  for_each_mapped(spilled, maps, progress, [&](TripleKey key) { sorter.add(key); });
  std::uint64_t done = spilled.size();
  KeyFile distinct(settings.folder, maps.layout);
  TripleKey last{~TripleKey::Integer{0}};
  sorter.finish([&](TripleKey key) {
    if (++done % kProgressKeys == 0) progress.update(done);
    if (key == last) return;
    distinct.add(key);
    last = key;
  });
  duplicates += spilled.size() - distinct.size();
  return SplitTriples(std::move(distinct));
}

SplitTriples sort_weighted_triples(const KeyFile& spilled, const WeightFile& weights, const IdMaps& maps,
                                   const SortSettings& settings, std::uint64_t& duplicates) {
  ExternalSorter<WeightedKey> sorter(settings.folder, settings.memory_bytes);
  Progress progress("Sorting", 2 * spilled.size(), "steps");
  WeightFile::Reader reader(weights);
  for_each_mapped(spilled, maps, progress, [&](TripleKey key) { sorter.add({key, reader.next()}); });
  KeyFile distinct(settings.folder, maps.layout);
  WeightFile sums(settings.folder);
  WeightSum sum(distinct, sums);
  sorter.finish([&](const WeightedKey& record) { sum.add(record); });
  sum.end();
  duplicates += spilled.size() - distinct.size();
  return SplitTriples(std::move(distinct), std::move(sums));
}

std::uint64_t count_common(const SplitTriples& earlier, const SplitTriples& later) {
  KeyFile::Reader reader(earlier.keys());
  std::span<const TripleKey> block = reader.next();
  std::uint64_t common = 0;
  KeyFile::Reader later_reader(later.keys());
  for (std::span<const TripleKey> wanted = later_reader.next(); !wanted.empty(); wanted = later_reader.next()) {
    for (const TripleKey key : wanted) {
      while (!block.empty() && block.back() < key) block = reader.next();
      if (block.empty()) return common;
      const auto at = std::lower_bound(block.begin(), block.end(), key);
      block = block.subspan(static_cast<std::size_t>(at - block.begin()));
      if (*at == key) ++common;
    }
  }
  return common;
}

}  // namespace tessera::partition

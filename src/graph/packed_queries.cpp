// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/packed_queries.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace tessera::graph {
namespace {

using packing::kChunkQueries;

constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();

// Finds ids in an ascending list: the high bits of an id give the few places where it may be.
class PlaceIndex {
 public:
  explicit PlaceIndex(std::span<const std::uint64_t> ids) : ids_(ids) {
    if (ids.empty()) return;
    while (ids.back() >> shift_ > ids.size() / kIdsPerBucket) ++shift_;
    starts_.assign((ids.back() >> shift_) + 2, static_cast<std::uint32_t>(ids.size()));
    for (std::size_t i = ids.size(); i-- > 0;) starts_[ids[i] >> shift_] = static_cast<std::uint32_t>(i);
    for (std::size_t b = starts_.size() - 1; b-- > 0;) starts_[b] = std::min(starts_[b], starts_[b + 1]);
  }
  // Of an id that is in the list.
  [[nodiscard]] std::uint64_t operator()(std::uint64_t id) const {
    const std::uint64_t bucket = id >> shift_;
    const auto first = ids_.begin() + starts_[bucket];
    return static_cast<std::uint64_t>(std::lower_bound(first, ids_.begin() + starts_[bucket + 1], id) - ids_.begin());
  }

 private:
  static constexpr std::uint64_t kIdsPerBucket = 4;
  std::span<const std::uint64_t> ids_;
  std::vector<std::uint32_t> starts_;
  unsigned shift_ = 0;
};

/// Cuts the queries of a split into chunks and packs these one by one.
class ChunkCutter {
 public:
  ChunkCutter(const QueryColumns& queries, const PartRows& rows, std::span<const std::uint64_t> elsewhere)
      : queries_(queries),
        rows_(rows),
        place_(elsewhere),
        below_(static_cast<std::uint64_t>(std::lower_bound(elsewhere.begin(), elsewhere.end(), rows.first) -
                                          elsewhere.begin())) {}

  QueryChunks pack() {
    const auto& offsets = queries_.relation_offsets;
    for (std::size_t r = 0; r + 1 < offsets.size(); ++r) {
      chunks_.relation_chunks.push_back(static_cast<std::uint32_t>(chunks_.first_sources.size()));
      for (std::uint64_t first = offsets[r]; first < offsets[r + 1];) {
        const std::uint64_t end = chunk_end(first, offsets[r + 1]);
        put(first, end);
        first = end;
      }
    }
    chunks_.relation_chunks.push_back(static_cast<std::uint32_t>(chunks_.first_sources.size()));
    end_chunk(queries_.sources.size());
    chunks_.bytes.resize(chunks_.bytes.size() + packing::kPadding);
    return std::move(chunks_);
  }

 private:
  [[nodiscard]] std::uint64_t list_end(std::uint64_t first, std::uint64_t relation_end) const {
    const auto begin = queries_.sources.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(relation_end);
    return static_cast<std::uint64_t>(
        std::upper_bound(begin + static_cast<std::ptrdiff_t>(first), end, queries_.sources[first]) - begin);
  }

  // Whole lists, as many as fit; a list that does not fit has chunks of its own.
  [[nodiscard]] std::uint64_t chunk_end(std::uint64_t first, std::uint64_t relation_end) {
    if (first < long_list_end_) return std::min(first + kChunkQueries, long_list_end_);
    std::uint64_t end = list_end(first, relation_end);
    if (end - first > kChunkQueries) {
      long_list_end_ = end;
      return first + kChunkQueries;
    }
    while (end < relation_end) {
      const std::uint64_t next = list_end(end, relation_end);
      if (next - first > kChunkQueries) break;
      end = next;
    }
    return end;
  }

  [[nodiscard]] std::uint32_t number(std::uint64_t target) const {
    const std::uint64_t row = target - rows_.first;
    if (row < rows_.count) return static_cast<std::uint32_t>(below_ + row);
    const std::uint64_t at = place_(target);
    return static_cast<std::uint32_t>(at < below_ ? at : at + rows_.count);
  }

  void end_chunk(std::uint64_t queries) {
    chunks_.first_queries.push_back(static_cast<std::uint32_t>(queries));
    chunks_.offsets.push_back(static_cast<std::uint32_t>(chunks_.bytes.size()));
  }

  void put(std::uint64_t first, std::uint64_t end) {
    end_chunk(first);
    chunks_.first_sources.push_back(queries_.sources[first]);
    targets_.clear();
    for (std::uint64_t i = first; i < end; ++i) targets_.push_back(number(queries_.targets[i]));
    packing::encode_chunk(std::span(queries_.sources).subspan(first, end - first), targets_, chunks_.bytes);
    if (chunks_.bytes.size() > kMost)
      fail(ExitStatus::kUsage, "a part with more than 4 GiB of packed queries; choose more parts");
  }

  const QueryColumns& queries_;
  PartRows rows_;
  PlaceIndex place_;                 // of the targets elsewhere
  std::uint64_t below_;              // how many of them come before the rows
  std::uint64_t long_list_end_ = 0;  // of the list that is being cut
  std::vector<std::uint32_t> targets_;
  QueryChunks chunks_;
};

}  // namespace

QueryColumns to_columns(std::vector<Query> queries, std::uint64_t directed_relations) {
  // Source and target in one number, by relation: a counting sort, then a sort of numbers for each relation.
  std::vector<std::uint64_t> ends(directed_relations + 1);
  for (const Query& query : queries) ++ends[query.relation.index() + 1];
  for (std::size_t r = 0; r < directed_relations; ++r) ends[r + 1] += ends[r];
  std::vector<std::uint64_t> keys(queries.size());
  for (const Query& query : queries) {
    TESSERA_ASSERT(query.target.value() <= kMost, "entity ids have 32 bits");
    keys[ends[query.relation.index()]++] = (std::uint64_t{query.source.value()} << 32U) | query.target.value();
  }
  std::vector<Query>().swap(queries);
  QueryColumns columns;
  columns.relation_offsets.assign(directed_relations + 1, 0);
  columns.sources.reserve(keys.size());
  columns.targets.reserve(keys.size());
  auto first = keys.begin();
  for (std::size_t r = 0; r < directed_relations; ++r) {
    const auto end = keys.begin() + static_cast<std::ptrdiff_t>(ends[r]);
    std::sort(first, end);
    const auto last = std::unique(first, end);
    for (auto key = first; key != last; ++key) {
      columns.sources.push_back(static_cast<std::uint32_t>(*key >> 32U));
      columns.targets.push_back(*key & kMost);
    }
    columns.relation_offsets[r + 1] = columns.sources.size();
    first = end;
  }
  return columns;
}

QueryColumns to_weighted_columns(std::vector<Query> queries, std::vector<float> weights, double mean_weight,
                                 std::uint64_t directed_relations) {
  TESSERA_ASSERT(queries.size() == weights.size(), "each query has a weight");
  struct Weighted {
    std::uint32_t relation;
    std::uint32_t source;
    std::uint32_t target;
    float weight;
  };
  std::vector<Weighted> sorted;
  sorted.reserve(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i)
    sorted.push_back({queries[i].relation.value(), queries[i].source.value(),
                      static_cast<std::uint32_t>(queries[i].target.value()), weights[i]});
  std::sort(sorted.begin(), sorted.end(), [](const Weighted& a, const Weighted& b) {
    return std::tie(a.relation, a.source, a.target) < std::tie(b.relation, b.source, b.target);
  });
  std::transform(sorted.begin(), sorted.end(), weights.begin(), [](const Weighted& query) { return query.weight; });
  std::vector<Weighted>().swap(sorted);
  QueryColumns columns = to_columns(std::move(queries), directed_relations);
  TESSERA_ASSERT(columns.sources.size() == weights.size(), "queries with weights are distinct");
  columns.weights = std::move(weights);
  columns.mean_weight = mean_weight;
  return columns;
}

std::vector<std::uint64_t> targets_elsewhere(const std::array<QueryColumns, 3>& splits, const PartRows& rows) {
  std::vector<bool> is_elsewhere;
  std::uint64_t count = 0;
  for (const QueryColumns& queries : splits) {
    for (const std::uint64_t target : queries.targets) {
      if (target - rows.first < rows.count) continue;
      if (target >= is_elsewhere.size())
        is_elsewhere.resize(std::max<std::uint64_t>(target + 1, 2 * is_elsewhere.size()));
      if (is_elsewhere[target]) continue;
      is_elsewhere[target] = true;
      ++count;
    }
  }
  std::vector<std::uint64_t> elsewhere;
  elsewhere.reserve(count);
  for (std::uint64_t target = 0; target < is_elsewhere.size(); ++target)
    if (is_elsewhere[target]) elsewhere.push_back(target);
  return elsewhere;
}

QueryChunks pack_queries(const QueryColumns& queries, const PartRows& rows, std::span<const std::uint64_t> elsewhere) {
  if (queries.sources.size() > kMost || rows.count + elsewhere.size() > kMost)
    fail(ExitStatus::kUsage, "a part with {} queries and {} targets has more than fit 32 bits; choose more parts",
         queries.sources.size(), rows.count + elsewhere.size());
  return ChunkCutter(queries, rows, elsewhere).pack();
}

}  // namespace tessera::graph

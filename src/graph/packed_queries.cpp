// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/packed_queries.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace tessera::graph {
namespace {

using packing::kChunkQueries;

constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();

/// Cuts the queries of a split into chunks and packs these one by one.
class ChunkCutter {
 public:
  ChunkCutter(const QueryColumns& queries, const PartRows& rows, std::span<const std::uint64_t> elsewhere)
      : queries_(queries),
        rows_(rows),
        elsewhere_(elsewhere),
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
    const auto at =
        static_cast<std::uint64_t>(std::lower_bound(elsewhere_.begin(), elsewhere_.end(), target) - elsewhere_.begin());
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
  std::span<const std::uint64_t> elsewhere_;
  std::uint64_t below_;              // how many of elsewhere_ come before the rows
  std::uint64_t long_list_end_ = 0;  // of the list that is being cut
  std::vector<std::uint32_t> targets_;
  QueryChunks chunks_;
};

}  // namespace

QueryColumns to_columns(std::vector<Query> queries, std::uint64_t directed_relations) {
  std::sort(queries.begin(), queries.end(), [](const Query& a, const Query& b) {
    return std::tie(a.relation, a.source, a.target) < std::tie(b.relation, b.source, b.target);
  });
  queries.erase(std::unique(queries.begin(), queries.end()), queries.end());
  QueryColumns columns;
  columns.relation_offsets.assign(directed_relations + 1, 0);
  columns.sources.reserve(queries.size());
  columns.targets.reserve(queries.size());
  for (const Query& query : queries) {
    ++columns.relation_offsets[query.relation.index() + 1];
    columns.sources.push_back(query.source.value());
    columns.targets.push_back(query.target.value());
  }
  for (std::size_t r = 0; r < directed_relations; ++r) columns.relation_offsets[r + 1] += columns.relation_offsets[r];
  return columns;
}

std::vector<std::uint64_t> targets_elsewhere(const std::array<QueryColumns, 3>& splits, const PartRows& rows) {
  std::vector<std::uint64_t> elsewhere;
  for (const QueryColumns& queries : splits)
    for (const std::uint64_t target : queries.targets)
      if (target - rows.first >= rows.count) elsewhere.push_back(target);
  std::sort(elsewhere.begin(), elsewhere.end());
  elsewhere.erase(std::unique(elsewhere.begin(), elsewhere.end()), elsewhere.end());
  return elsewhere;
}

QueryChunks pack_queries(const QueryColumns& queries, const PartRows& rows, std::span<const std::uint64_t> elsewhere) {
  if (queries.sources.size() > kMost || rows.count + elsewhere.size() > kMost)
    fail(ExitStatus::kUsage, "a part with {} queries and {} targets has more than fit 32 bits; choose more parts",
         queries.sources.size(), rows.count + elsewhere.size());
  return ChunkCutter(queries, rows, elsewhere).pack();
}

}  // namespace tessera::graph

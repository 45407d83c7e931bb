// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/relation_ranges.hpp"

#include "core/parallel.hpp"
#include "graph/query_set.hpp"

#include <algorithm>
#include <mutex>

namespace tessera::evaluate::detail {
namespace {

constexpr std::size_t kTileRows = 256;

/// The sources of (s, r^-1) are answers of (t, r).
std::uint32_t inverse(std::uint32_t relation, std::uint32_t relations) {
  return relation < relations ? relation + relations : relation - relations;
}

/// The queries of all own parts in all splits: visit(part, chunk of a set).
template <class Visit>
void for_each_chunk(const graph::Shard& shard, const Visit& visit) {
  for (const graph::Part& part : shard.parts)
    for (const graph::Split split : graph::kSplits)
      for (std::size_t chunk = 0; chunk < part.queries(split).chunk_count(); ++chunk)
        visit(part, part.queries(split), chunk);
}

}  // namespace

RelationRanges::RelationRanges(const search::Setup& setup, const model::OwnRows& rows)
    : setup_(setup),
      rows_(rows),
      begin_(2 * setup.shard.manifest.relation_count + 1),
      size_(2 * setup.shard.manifest.relation_count) {
  const auto relations = static_cast<std::uint32_t>(setup.shard.manifest.relation_count);
  for_each_chunk(setup.shard, [&](const graph::Part&, const graph::QuerySet& queries, std::size_t chunk) {
    begin_[inverse(queries.relation(chunk).value(), relations) + 1] += queries.list_count(chunk);
  });
  for (std::size_t r = 1; r < begin_.size(); ++r) begin_[r] += begin_[r - 1];
  rows_of_ = setup.host.allocate<std::uint32_t>(memory::Tag::kEvaluation, begin_.back());
  fill();
}

void RelationRanges::fill() {
  const auto relations = static_cast<std::uint32_t>(setup_.shard.manifest.relation_count);
  packing::ChunkReader reader;
  for_each_chunk(setup_.shard, [&](const graph::Part& part, const graph::QuerySet& queries, std::size_t chunk) {
    queries.read(chunk, reader);
    const std::uint32_t relation = inverse(queries.relation(chunk).value(), relations);
    const auto first = static_cast<std::uint32_t>(part.first_entity().value() - rows_.first().value());
    std::uint32_t before = ~std::uint32_t{0};
    for (const std::uint32_t source : reader.sources()) {
      if (source == before) continue;
      rows_of_[begin_[relation] + size_[relation]++] = first + source;
      before = source;
    }
  });
  parallel_for(size_.size(), setup_.host.workers(), [&](std::size_t r) {
    const auto list = rows_of_.span().subspan(begin_[r], size_[r]);
    std::sort(list.begin(), list.end());
    size_[r] = static_cast<std::uint64_t>(std::unique(list.begin(), list.end()) - list.begin());
  });
}

void RelationRanges::count(const QueryBlock& block, const Counts& counts) const {
  struct Task {
    Run run;
    std::size_t first_row;
  };
  std::vector<Task> tasks;
  for (std::size_t first = 0; first < block.size();) {
    const std::uint32_t relation = block.headers()[first].relation;
    std::size_t end = first;
    while (end < block.size() && block.headers()[end].relation == relation) ++end;
    const Run run{first, end - first, candidates(relation)};
    for (std::size_t i = first; i < end; ++i) counts.n_others[i] += static_cast<std::int64_t>(run.rows.size());
    for (std::size_t row = 0; row < run.rows.size(); row += kTileRows) tasks.push_back({run, row});
    first = end;
  }
  std::mutex mutex;
  parallel_for(tasks.size(), setup_.host.workers(), [&](std::size_t i) {
    const Run& run = tasks[i].run;
    std::vector<std::int64_t> sums(2 * run.count);
    const Counts own{counts.target_scores.subspan(run.first, run.count),
                     std::span(sums).first(run.count),
                     std::span(sums).subspan(run.count),
                     {}};
    count_tile(block, run, tasks[i].first_row, own);
    const std::lock_guard lock(mutex);
    for (std::size_t k = 0; k < run.count; ++k) {
      counts.n_greater[run.first + k] += own.n_greater[k];
      counts.n_equal[run.first + k] += own.n_equal[k];
    }
  });
}

void RelationRanges::count_tile(const QueryBlock& block, const Run& run, std::size_t first_row,
                                const Counts& counts) const {
  const std::size_t dim = setup_.parameters.dim();
  const std::size_t rows = std::min(kTileRows, run.rows.size() - first_row);
  std::vector<float> tile(rows * dim);
  for (std::size_t i = 0; i < rows; ++i)
    rows_.read(EntityId(rows_.first().value() + run.rows[first_row + i]), tile.data() + i * dim);
  std::vector<std::uint32_t> found(2 * run.count);
  const std::span<std::uint32_t> greater = std::span(found).first(run.count);
  const std::span<std::uint32_t> equal = std::span(found).subspan(run.count);
  setup_.host.kernels().ranks.count(setup_.parameters.scorer().similarity(),
                                    {block.vectors().block(run.first, run.count),
                                     kernels::ConstMatrix{tile.data(), rows, dim, dim}, counts.target_scores},
                                    {greater, equal});
  for (std::size_t k = 0; k < run.count; ++k) {
    counts.n_greater[k] = greater[k];
    counts.n_equal[k] = equal[k];
  }
}

}  // namespace tessera::evaluate::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/assignment.hpp"

#include "core/random.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace tessera::partition {
namespace {

constexpr PartId kUnassigned{std::numeric_limits<std::uint32_t>::max()};

// Gives each waiting entity to the part with the least load so far, the first one on a tie.
class Filler {
 public:
  explicit Filler(std::span<const std::uint64_t> loads) {
    for (std::uint32_t p = 0; p < loads.size(); ++p) lightest_.emplace(loads[p], p);
  }
  PartId take(std::uint64_t weight) {
    const auto [load, part] = lightest_.top();
    lightest_.pop();
    lightest_.emplace(load + weight, part);
    return PartId(part);
  }

 private:
  using Load = std::pair<std::uint64_t, std::uint32_t>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> lightest_;
};

// Entities with loops only have queries but no neighbours: they even out queries, the rest evens out rows.
void place_loose(Assignment& assignment, const TrainingSummary& summary, std::uint64_t parts) {
  std::vector<std::uint64_t> rows(parts);
  std::vector<std::uint64_t> queries(parts);
  for (std::size_t e = 0; e < assignment.size(); ++e) {
    if (assignment[e] == kUnassigned) continue;
    ++rows[assignment[e].index()];
    queries[assignment[e].index()] += summary.degree[e];
  }
  Filler by_queries(queries);
  for (std::size_t e = 0; e < assignment.size(); ++e) {
    if (assignment[e] != kUnassigned || summary.degree[e] == 0) continue;
    assignment[e] = by_queries.take(summary.degree[e]);
    ++rows[assignment[e].index()];
  }
  Filler by_rows(rows);
  for (PartId& part : assignment)
    if (part == kUnassigned) part = by_rows.take(1);
}

// Takes entities from parts above the mean. One pass is enough: while a part is empty, another is above the mean.
void fill_empty_parts(Assignment& assignment, std::uint64_t parts) {
  std::vector<std::uint64_t> rows(parts);
  for (const PartId part : assignment) ++rows[part.index()];
  const std::uint64_t mean = assignment.size() / parts;
  std::uint32_t empty = 0;
  const auto next_empty = [&] {
    while (empty < parts && rows[empty] > 0) ++empty;
    return empty < parts;
  };
  for (std::size_t e = 0; e < assignment.size() && next_empty(); ++e) {
    if (rows[assignment[e].index()] <= mean) continue;
    --rows[assignment[e].index()];
    assignment[e] = PartId(empty);
    ++rows[empty];
  }
}

}  // namespace

Assignment random_assignment(std::uint64_t entity_count, std::uint64_t parts, std::uint64_t seed) {
  const Permutation permutation(entity_count, RandomStream(seed, Purpose::kPartition));
  Assignment assignment(entity_count);
  for (std::uint64_t e = 0; e < entity_count; ++e)
    assignment[e] = PartId(static_cast<std::uint32_t>(permutation(e) % parts));
  return assignment;
}

Assignment spread(const TrainingSummary& summary, std::span<const std::uint32_t> part_of_vertex, std::uint64_t parts) {
  Assignment assignment(summary.vertex.size(), kUnassigned);
  for (std::size_t e = 0; e < assignment.size(); ++e)
    if (summary.vertex[e] != kLoose) assignment[e] = PartId(part_of_vertex[summary.vertex[e]]);
  place_loose(assignment, summary, parts);
  fill_empty_parts(assignment, parts);
  return assignment;
}

LoadLimits load_limits(const TrainingSummary& summary, std::uint64_t parts, double looseness) {
  const auto& degree = summary.vertex_degree;
  const auto queries = static_cast<double>(std::accumulate(degree.begin(), degree.end(), std::uint64_t{0}));
  const double share = looseness / static_cast<double>(parts);
  return {share * static_cast<double>(degree.size()), share * queries};
}

bool is_balanced(const TrainingSummary& summary, std::span<const std::uint32_t> part_of_vertex, std::uint64_t parts,
                 double looseness) {
  std::vector<double> rows(parts);
  std::vector<double> queries(parts);
  for (std::size_t v = 0; v < part_of_vertex.size(); ++v) {
    rows[part_of_vertex[v]] += 1;
    queries[part_of_vertex[v]] += summary.vertex_degree[v];
  }
  const LoadLimits mean = load_limits(summary, parts, 1);
  const double heaviest = *std::max_element(summary.vertex_degree.begin(), summary.vertex_degree.end());
  return *std::max_element(rows.begin(), rows.end()) <= std::max(looseness * mean.rows, mean.rows + 1) &&
         *std::max_element(queries.begin(), queries.end()) <=
             std::max(looseness * mean.queries, mean.queries + heaviest);
}

}  // namespace tessera::partition

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/part_writer.hpp"

#include "core/cast.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "graph/part_file.hpp"
#include "partition/training_graph.hpp"
#include "storage/atomic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

namespace tessera::partition {
namespace {

using graph::Split;

using QueryCounts = std::array<std::uint64_t, 3>;  // by split

struct QueryLists {
  std::array<std::vector<Query>, 3> queries;  // by split
  std::vector<float> weights;                 // of those of train, if triples have weights
};

// Calls visit(split, part, query, weight) for both queries of every triple; the weight is 0 where it has none.
template <class Visit>
void for_each_query(const PartSources& sources, const std::string& title, const Visit& visit) {
  const auto& offsets = sources.manifest.offsets;
  const auto relations = checked_cast<std::uint32_t>(sources.manifest.relation_count);
  float weight = 0;
  const auto visit_query = [&](Split split, EntityId source, std::uint32_t relation, EntityId target) {
    const PartId part = sources.manifest.owner(source);
    const auto row = static_cast<std::uint32_t>(source.value() - offsets[part.index()]);
    visit(split, part, Query{LocalRow(row), RelationId(relation), target}, weight);
  };
  for (const Split split : graph::kSplits) {
    const auto prefetch = [&](const Triple& triple) {
      __builtin_prefetch(&sources.manifest.new_ids[triple.head.index()]);
      __builtin_prefetch(&sources.manifest.new_ids[triple.tail.index()]);
    };
    std::optional<graph::TripleWeights> weights;
    if (split == Split::kTrain && sources.reader.weight_range()) weights.emplace(sources.reader.weights());
    const auto take = [&](const Triple& triple) {
      weight = weights ? weights->next() : 0;
      const EntityId head(sources.manifest.new_ids[triple.head.index()]);
      const EntityId tail(sources.manifest.new_ids[triple.tail.index()]);
      visit_query(split, head, triple.relation.value(), tail);
      visit_query(split, tail, triple.relation.value() + relations, head);
    };
    scan_triples(sources.reader, split, fmt::format("{} {}", title, graph::name(split)), take, prefetch);
  }
}

std::vector<QueryCounts> count_queries(const PartSources& sources) {
  std::vector<QueryCounts> counts(sources.manifest.part_count());
  for_each_query(sources, "counting", [&](Split split, PartId part, const Query&, float /*weight*/) {
    ++counts[part.index()].at(static_cast<std::size_t>(split));
  });
  return counts;
}

// Weights are sorted in 16 bytes for each query besides.
std::uint64_t bytes_of(const QueryCounts& counts, bool has_weights) {
  constexpr std::uint64_t kWeightBytes = 20;
  return (counts[0] + counts[1] + counts[2]) * sizeof(Query) + (has_weights ? kWeightBytes * counts[0] : 0);
}

// The end of the group of parts that starts at `first`.
std::size_t group_end(const std::vector<QueryCounts>& counts, std::size_t first, std::uint64_t block_bytes,
                      bool has_weights) {
  std::uint64_t bytes = bytes_of(counts[first], has_weights);
  std::size_t end = first + 1;
  for (; end < counts.size() && bytes + bytes_of(counts[end], has_weights) <= block_bytes; ++end)
    bytes += bytes_of(counts[end], has_weights);
  return end;
}

std::vector<QueryLists> gather(const PartSources& sources, const std::vector<QueryCounts>& counts, std::size_t first,
                               std::size_t end) {
  std::vector<QueryLists> lists(end - first);
  for (std::size_t p = first; p < end; ++p)
    for (std::size_t s = 0; s < 3; ++s) lists[p - first].queries.at(s).reserve(counts[p].at(s));
  const bool has_weights = sources.reader.weight_range().has_value();
  for (std::size_t p = first; p < end && has_weights; ++p) lists[p - first].weights.reserve(counts[p].front());
  const std::string title = fmt::format("parts {} to {} of {},", first, end - 1, counts.size());
  for_each_query(sources, title, [&](Split split, PartId part, const Query& query, float weight) {
    if (part.index() < first || part.index() >= end) return;
    QueryLists& of_part = lists[part.index() - first];
    of_part.queries.at(static_cast<std::size_t>(split)).push_back(query);
    if (has_weights && split == Split::kTrain) of_part.weights.push_back(weight);
  });
  return lists;
}

graph::PartContent make_content(const PartSources& sources, PartId part, QueryLists lists) {
  graph::PartContent content;
  content.part = part;
  const std::uint64_t directed = 2 * sources.manifest.relation_count;
  for (const Split split : graph::kSplits) {
    const auto s = static_cast<std::size_t>(split);
    std::vector<Query> queries = std::exchange(lists.queries.at(s), {});
    const auto& weights = sources.reader.weight_range();
    content.queries.at(s) =
        split == Split::kTrain && weights
            ? graph::to_weighted_columns(std::move(queries), std::move(lists.weights), weights->mean, directed)
            : graph::to_columns(std::move(queries), directed);
  }
  for (std::uint64_t id = sources.manifest.offsets[part.index()]; id < sources.manifest.offsets[part.index() + 1];
       ++id) {
    content.original_ids.push_back(sources.old_ids[id]);
    content.train_degree.push_back(sources.degree[sources.old_ids[id]]);
  }
  content.more = [&sources, part](storage::FileWriter& file) { sources.attributes.write(part, file); };
  return content;
}

}  // namespace

// Packed queries take less than a set of as many random ones would: log2(possible / actual) + 1.44 bits each.
std::uint64_t partition_bytes(const PartSources& sources) {
  constexpr std::uint64_t kPerFile = 16 << 10U;  // headers and attributes
  constexpr double kHeaders = 2;                 // bits of a query's share of chunks and their columns
  const std::uint64_t parts = sources.manifest.part_count();
  const std::uint64_t directed = 2 * sources.manifest.relation_count;
  std::uint64_t queries = 0;
  for (const Split split : graph::kSplits) queries += 2 * sources.reader.triple_count(split);
  const auto entities = static_cast<double>(sources.manifest.entity_count);
  const double possible = entities * entities * static_cast<double>(directed);
  const double bits = std::log2(std::max(2.0, possible / static_cast<double>(std::max<std::uint64_t>(1, queries))));
  return static_cast<std::uint64_t>(static_cast<double>(queries) * (bits + 1.44 + kHeaders) / 8) +
         sources.manifest.entity_count * 20 + parts * 3 * (directed + 1) * 4 + (parts + 1) * kPerFile +
         (sources.reader.weight_range() ? 8 * sources.reader.triple_count(Split::kTrain) : 0) +
         sources.attributes.bytes();
}

void write_parts(const std::filesystem::path& folder, const PartSources& sources, const WriteSettings& settings,
                 storage::FolderChecksums& checksums) {
  const std::vector<QueryCounts> counts = count_queries(sources);
  Progress progress("writing", counts.size(), "parts");
  for (std::size_t first = 0; first < counts.size();) {
    const std::size_t end = group_end(counts, first, settings.block_bytes, sources.reader.weight_range().has_value());
    std::vector<QueryLists> lists = gather(sources, counts, first, end);
    parallel_for(end - first, settings.threads, [&](std::size_t i) {
      const PartId part(static_cast<std::uint32_t>(first + i));
      graph::write_part(folder, sources.manifest, make_content(sources, part, std::move(lists[i])));
      storage::sync_path(folder / graph::part_file_name(part));
    });
    for (; first < end; ++first) {
      checksums.record(graph::part_file_name(PartId(static_cast<std::uint32_t>(first))));
      progress.update(first + 1);
    }
  }
}

}  // namespace tessera::partition

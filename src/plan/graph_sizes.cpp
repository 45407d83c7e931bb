// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/graph_sizes.hpp"

#include "comm/planned/planned_communicator.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "graph/graph_reader.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tessera::plan {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostAnswersGuess = 1024;  // of a query that bce takes as one item

/// Part p of `parts` has that many of `count` things.
std::uint64_t share(std::uint64_t count, std::uint64_t parts, std::uint64_t p) {
  return count / parts + (p < count % parts ? 1 : 0);
}

graph::PartitionManifest balanced(const Counts& counts, std::uint64_t parts) {
  if (counts.entities < parts)
    fail(ExitStatus::kUsage, "{} entities cannot fill {} parts; set fewer data.parts", counts.entities, parts);
  graph::PartitionManifest manifest;
  manifest.method = "estimate";
  manifest.entity_count = counts.entities;
  manifest.relation_count = counts.relations;
  manifest.offsets = {0};
  for (std::uint64_t p = 0; p < parts; ++p) {
    const std::uint64_t rows = share(counts.entities, parts, p);
    const std::uint64_t queries = share(2 * counts.triples, parts, p);
    manifest.offsets.push_back(manifest.offsets.back() + rows);
    const std::uint64_t cut = queries - queries / parts;  // as of a random partition
    manifest.figures.push_back({rows, queries, cut, std::min(cut, counts.entities - rows)});
  }
  return manifest;
}

GraphSizes estimate(const Counts& counts, std::uint64_t parts, const std::string& origin) {
  GraphSizes sizes;
  sizes.manifest = balanced(counts, parts);
  sizes.source = fmt::format("{}: {} parts of equal size, {} bytes for each query (estimates)", origin, parts,
                             GraphSizes::kQueryBytes);
  return sizes;
}

void check_counts(const Counts& counts) {
  if (counts.entities == 0 || counts.relations == 0 || counts.triples == 0)
    fail(ExitStatus::kUsage, "give all of --entities, --relations and --triples (for training), each at least 1");
  if (counts.entities > std::numeric_limits<std::uint32_t>::max() || counts.relations > (std::uint64_t{1} << 30U))
    fail(ExitStatus::kUsage, "{} entities and {} relations are more than a graph can have (4294967295 and 1073741824)",
         counts.entities, counts.relations);
}

}  // namespace

std::uint64_t GraphSizes::file_bytes(Rank rank, const graph::Placement& placement) const {
  std::uint64_t bytes = 0;
  for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part) {
    std::error_code error;
    const std::uint64_t of_file =
        is_estimate() ? static_cast<std::uint64_t>((static_cast<double>(kQueryBytes) + weight_bytes) *
                                                   static_cast<double>(manifest.figures[part.index()].queries)) +
                            (kDegreeBytes + 8) * manifest.rows(part)
                      : fs::file_size(folder / graph::part_file_name(part), error);
    bytes += error ? 0 : of_file;
  }
  return bytes;
}

graph::Shard GraphSizes::shard(Rank rank, const graph::Placement& placement, memory::Pool& pool,
                               graph::Loading loading) const {
  graph::Shard shard{manifest, placement, rank, {}};
  for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part) {
    if (!is_estimate()) {
      shard.parts.push_back(graph::Part::planned(folder, manifest, part, pool, loading));
      continue;
    }
    graph::QueryColumns columns;
    if (weight_bytes > 0 && loading.with_weights) columns.mean_weight = 1;
    shard.parts.push_back(graph::Part::made(manifest, part, columns, pool));
    const auto queries = static_cast<double>(manifest.figures[part.index()].queries);
    const double weights = loading.with_weights ? weight_bytes : 0;
    const double each =
        loading.place == graph::QueryPlace::kFile ? kIndexBytes : static_cast<double>(kQueryBytes) + weights;
    (void)pool.allocate<std::byte>(memory::Tag::kQueries,
                                   static_cast<std::uint64_t>(each * queries) + kDegreeBytes * manifest.rows(part));
  }
  return shard;
}

GraphSizes sizes_of_partition(const fs::path& folder) {
  GraphSizes sizes;
  sizes.manifest = graph::read_manifest(folder, false);
  sizes.folder = folder;
  sizes.source = fmt::format("partition '{}'", folder.string());
  memory::Pool pool = memory::Pool::planning();
  sizes.has_validation = false;  // the first part mostly has some: no more files are opened then
  for (PartId part(0); part < PartId(sizes.manifest.part_count()) && !sizes.has_validation; ++part)
    sizes.has_validation = graph::Part::planned(folder, sizes.manifest, part, pool, graph::QueryPlace::kFile)
                               .queries(graph::Split::kValid)
                               .chunk_count() > 0;
  return sizes;
}

GraphSizes find_sizes(const Job& job, const std::optional<Counts>& counts) {
  if (counts) {
    check_counts(*counts);
    return estimate(
        *counts, job.data.parts,
        fmt::format("{} entities, {} relations, {} training triples", text::with_thousands(counts->entities),
                    text::with_thousands(counts->relations), text::with_thousands(counts->triples)));
  }
  const fs::path folder = graph::partition_folder(job.data.graph, job.data.parts);
  if (fs::exists(folder / graph::kManifestFile)) return sizes_of_partition(folder);
  if (!fs::exists(fs::path(job.data.graph) / graph::kGraphFile))
    fail(ExitStatus::kMissingInput,
         "graph '{}' is not there; to plan without it, give --entities, --relations and --triples", job.data.graph);
  const graph::GraphReader graph(job.data.graph);
  GraphSizes sizes = estimate({graph.entity_count(), graph.relation_count(), graph.triple_count(graph::Split::kTrain)},
                              job.data.parts, fmt::format("graph '{}', not partitioned yet", job.data.graph));
  sizes.has_validation = graph.triple_count(graph::Split::kValid) > 0;
  if (graph.weight_range()) sizes.weight_bytes = GraphSizes::kWeightBytes;
  return sizes;
}

std::vector<sampling::ItemCount> find_items(const Job& job, const GraphSizes& sizes) {
  std::vector<sampling::ItemCount> items;
  if (job.train.group_queries && sizes.is_estimate()) {
    for (const graph::PartFigures& part : sizes.manifest.figures)
      items.push_back({part.queries, std::min({sampling::most_answers(job), kMostAnswersGuess, part.queries})});
    return items;
  }
  const graph::Placement alone(sizes.manifest.part_count(), 1);
  const auto comm = comm::make_planned_communicator({Rank(0), 1, 1});
  if (!job.train.group_queries) return sampling::count_items(*comm, {sizes.manifest, alone, Rank(0), {}}, job);
  memory::Pool pool(std::uint64_t{64} * sizes.file_bytes(Rank(0), alone) + (std::uint64_t{1} << 20U));
  const graph::Shard shard = graph::load_shard(sizes.folder, Rank(0), alone, pool, graph::QueryPlace::kFile);
  return sampling::count_items(*comm, shard, job);
}

}  // namespace tessera::plan

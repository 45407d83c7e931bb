// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "support/graph_fixture.hpp"

#include "core/random.hpp"
#include "graph/graph_reader.hpp"
#include "graph/graph_writer.hpp"
#include "graph/part_file.hpp"
#include "storage/checksum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace tessera::test {
namespace {

using graph::Split;

bool file_order(const Triple& a, const Triple& b) {
  return std::tie(a.relation, a.head, a.tail) < std::tie(b.relation, b.head, b.tail);
}

/// Draws triples until all splits are full; a hub takes the head or the tail of every third one.
class TripleSource {
 public:
  explicit TripleSource(const GraphSpec& spec) : spec_(spec), stream_(spec.seed, Purpose::kSplit) {}

  std::vector<Triple> draw(std::uint64_t count, std::uint64_t entities) {
    std::vector<Triple> triples;
    for (std::uint64_t tries = 0; triples.size() < count; ++tries) {
      if (tries > 1000 * (count + 10)) throw std::invalid_argument("this graph has no room for so many triples");
      Triple triple{EntityId(below(entities)), RelationId(static_cast<std::uint32_t>(below(spec_.relations))),
                    EntityId(below(entities))};
      if (spec_.hubs > 0 && below(3) == 0) (below(2) == 0 ? triple.head : triple.tail) = EntityId(below(spec_.hubs));
      if (seen_.insert(triple).second) triples.push_back(triple);
    }
    std::sort(triples.begin(), triples.end(), file_order);
    return triples;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return stream_.below(next_++, bound); }
  const GraphSpec& spec_;
  RandomStream stream_;
  std::uint64_t next_ = 0;
  std::set<Triple> seen_;
};

void write_graph(const std::filesystem::path& folder, const TestGraph& graph) {
  std::string name;
  const auto names = [&](std::uint64_t count, std::string (*make)(std::uint64_t)) {
    return storage::PackedStrings::encode(count,
                                          [&name, make](std::uint64_t i) { return std::string_view(name = make(i)); });
  };
  graph::GraphWriter writer(folder, 1, !graph.weights.empty());
  writer.names(names(graph.entities, entity_name), names(graph.relations, relation_name));
  for (const Split split : graph::kSplits) {
    std::vector<Triple> triples = graph.split(split);
    std::sort(triples.begin(), triples.end(), file_order);
    writer.begin_split(split, triples.size());
    writer.append(triples, split == Split::kTrain ? std::span<const float>(graph.weights) : std::span<const float>());
  }
  writer.commit();
}

/// Part sizes that differ, each at least 1: part p gets a share in proportion to 2 + p mod 3.
std::vector<std::uint64_t> part_offsets(std::uint64_t entities, std::uint32_t parts) {
  if (parts == 0 || parts > entities) throw std::invalid_argument("a part needs an entity");
  std::vector<std::uint64_t> weights(parts + 1, 0);
  for (std::uint32_t p = 0; p < parts; ++p) weights[p + 1] = weights[p] + 2 + p % 3;
  std::vector<std::uint64_t> offsets(parts + 1, 0);
  for (std::uint32_t p = 1; p <= parts; ++p) {
    const std::uint64_t share = entities * weights[p] / weights[parts];
    offsets[p] = std::min(entities - (parts - p), std::max(offsets[p - 1] + 1, share));
  }
  return offsets;
}

struct PartQueries {
  std::array<std::vector<Query>, 3> splits;
  std::vector<float> weights;
};

/// Both queries of every triple, at the owners of their sources.
std::vector<PartQueries> queries_by_part(const TestGraph& graph, const graph::PartitionManifest& manifest) {
  std::vector<PartQueries> queries(manifest.part_count());
  const auto add = [&](Split split, EntityId source, RelationId relation, EntityId target, const float* weight) {
    const PartId part = manifest.owner(source);
    const auto row = static_cast<std::uint32_t>(source.value() - manifest.offsets[part.index()]);
    queries[part.index()].splits.at(static_cast<std::size_t>(split)).push_back({LocalRow(row), relation, target});
    if (weight != nullptr) queries[part.index()].weights.push_back(*weight);
  };
  for (const Split split : graph::kSplits) {
    for (std::size_t i = 0; i < graph.split(split).size(); ++i) {
      const Triple& triple = graph.split(split)[i];
      const float* weight = split == Split::kTrain && !graph.weights.empty() ? &graph.weights.at(i) : nullptr;
      const EntityId head(manifest.new_ids[triple.head.index()]);
      const EntityId tail(manifest.new_ids[triple.tail.index()]);
      add(split, head, triple.relation, tail, weight);
      add(split, tail, RelationId(triple.relation.value() + static_cast<std::uint32_t>(graph.relations)), head, weight);
    }
  }
  return queries;
}

void count(const graph::PartContent& content, const graph::PartitionManifest& manifest, graph::PartFigures& figures) {
  const auto& train = content.queries.front();
  std::set<std::uint64_t> halo;
  for (const std::uint64_t target : train.targets) {
    if (manifest.owner(EntityId(target)) == content.part) continue;
    ++figures.cut_queries;
    halo.insert(target);
  }
  figures.rows = manifest.rows(content.part);
  figures.queries = train.targets.size();
  figures.halo_rows = halo.size();
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tessera-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string entity_name(std::uint64_t id) { return fmt::format("e{:06}", id); }
std::string relation_name(std::uint64_t id) { return fmt::format("r{:04}", id); }

TestGraph random_graph(const GraphSpec& spec) {
  TripleSource source(spec);
  TestGraph graph{spec.entities, spec.relations, {}};
  graph.split(Split::kTrain) = source.draw(spec.train, spec.entities - spec.unseen);
  graph.split(Split::kValid) = source.draw(spec.valid, spec.entities);
  graph.split(Split::kTest) = source.draw(spec.test, spec.entities);
  return graph;
}

void add_weights(TestGraph& graph) {
  const RandomStream stream(1, Purpose::kSplit);
  graph.weights.clear();
  for (std::uint64_t i = 0; i < graph.split(Split::kTrain).size(); ++i)
    graph.weights.push_back(static_cast<float>(stream.below(i, 5)) / 2);
}

double mean_weight(const TestGraph& graph) {
  return std::accumulate(graph.weights.begin(), graph.weights.end(), 0.0) / static_cast<double>(graph.weights.size());
}

StoredGraph::StoredGraph(TestGraph graph, std::uint32_t parts, std::uint64_t seed)
    : folder_(temporary_.path() / "data.kg"), graph_(std::move(graph)) {
  write_graph(folder_, graph_);
  manifest_.method = "random";
  manifest_.graph_digest = graph::GraphReader(folder_).digest();
  manifest_.seed = seed;
  manifest_.entity_count = graph_.entities;
  manifest_.relation_count = graph_.relations;
  manifest_.offsets = part_offsets(graph_.entities, parts);
  const Permutation permutation(graph_.entities, RandomStream(seed, Purpose::kPartition));
  original_ids_.resize(graph_.entities);
  for (std::uint64_t id = 0; id < graph_.entities; ++id) {
    manifest_.new_ids.push_back(permutation(id));
    original_ids_[permutation(id)] = id;
  }
  std::filesystem::create_directories(partition_folder());
  std::filesystem::create_directories(run_folder());
  write_parts();
}

void StoredGraph::write_parts() {
  auto checksums = storage::FolderChecksums::load(partition_folder());
  auto queries = queries_by_part(graph_, manifest_);
  for (std::uint32_t p = 0; p < manifest_.part_count(); ++p) {
    graph::PartContent content;
    content.part = PartId(p);
    for (std::size_t split = 0; split < 3; ++split)
      content.queries.at(split) =
          split == 0 && !graph_.weights.empty()
              ? graph::to_weighted_columns(std::move(queries[p].splits.front()), std::move(queries[p].weights),
                                           mean_weight(graph_), 2 * graph_.relations)
              : graph::to_columns(std::move(queries[p].splits.at(split)), 2 * graph_.relations);
    content.original_ids.assign(original_ids_.begin() + static_cast<std::ptrdiff_t>(manifest_.offsets[p]),
                                original_ids_.begin() + static_cast<std::ptrdiff_t>(manifest_.offsets[p + 1]));
    content.train_degree.resize(content.original_ids.size());
    for (const std::uint32_t source : content.queries.front().sources) ++content.train_degree[source];
    count(content, manifest_, manifest_.figures.emplace_back());
    graph::write_part(partition_folder(), manifest_, content);
    checksums.record(graph::part_file_name(content.part));
  }
  graph::write_manifest(partition_folder(), manifest_);
  checksums.record(graph::kManifestFile);
  checksums.commit();
}

void StoredGraph::set_original_id(EntityId global, std::uint64_t id) {
  original_ids_.at(global.index()) = id;
  manifest_.figures.clear();
  write_parts();
}

void StoredGraph::set_new_id(std::uint64_t original, std::uint64_t id) const {
  graph::PartitionManifest changed = manifest_;
  changed.new_ids.at(original) = id;
  graph::write_manifest(partition_folder(), changed);
  auto checksums = storage::FolderChecksums::load(partition_folder());
  checksums.record(graph::kManifestFile);
  checksums.commit();
}

std::filesystem::path StoredGraph::partition_folder() const {
  return graph::partition_folder(folder_, manifest_.offsets.size() - 1);
}

graph::Shard StoredGraph::load(Rank rank, std::int32_t ranks, memory::Pool& pool) const {
  return load(rank, graph::Placement(manifest_.part_count(), ranks), pool);
}

}  // namespace tessera::test

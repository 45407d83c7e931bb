// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/message_graph.hpp"

#include "core/error.hpp"
#include "propagation/weights.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

namespace tessera::propagation {
namespace {

using memory::Tag;
using Node = kernels::EdgeLists::Node;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

void visit_part(const graph::Part& part, const MessageGraph::Visit& visit) {
  const auto first = static_cast<std::uint32_t>(part.first_entity().value());
  part.queries(graph::Split::kTrain)
      .for_each_chunk(
          [&](RelationId relation, std::span<const std::uint32_t> sources, std::span<const std::uint64_t> targets) {
            for (std::size_t i = 0; i < targets.size(); ++i)
              visit(first + sources[i], relation.value(), static_cast<std::uint32_t>(targets[i]));
          });
}

/// A square matrix of bits.
class Bits {
 public:
  Bits(std::uint64_t side, memory::Pool& pool)
      : words_((side + 63) / 64), bits_(pool.allocate<std::uint64_t>(Tag::kQueries, side * words_)) {}
  void set(std::uint64_t a, std::uint64_t b) { bits_[a * words_ + b / 64] |= std::uint64_t{1} << (b % 64); }
  [[nodiscard]] bool has(std::uint64_t a, std::uint64_t b) const {
    return (bits_[a * words_ + b / 64] >> (b % 64) & 1U) != 0;
  }

 private:
  std::uint64_t words_;
  memory::Buffer<std::uint64_t> bits_;
};

}  // namespace

MessageGraph::MessageGraph(std::uint64_t nodes, std::uint64_t relations, const Edges& edges, memory::Pool& pool)
    : relations_(relations), nodes_(pool.allocate<Node>(Tag::kQueries, nodes + 1)) {
  count(edges, pool);
  groups_ = pool.allocate<kernels::EdgeGroup>(Tag::kQueries, nodes_[nodes].first_group);
  sources_ = pool.allocate<std::uint32_t>(Tag::kQueries, nodes_[nodes].first_edge);
  fill(edges, pool);
}

void MessageGraph::count(const Edges& edges, memory::Pool& pool) {
  const auto last = pool.allocate<std::uint32_t>(Tag::kQueries, node_count());
  std::fill(last.span().begin(), last.span().end(), kNone);
  edges([&](std::uint32_t destination, std::uint32_t relation, std::uint32_t) {
    Node& node = nodes_[destination + 1];
    ++node.first_edge;
    if (last[destination] != relation) ++node.first_group;
    last[destination] = relation;
  });
  for (std::uint64_t v = 0; v < node_count(); ++v) {
    nodes_[v + 1].first_edge += nodes_[v].first_edge;
    nodes_[v + 1].first_group += nodes_[v].first_group;
  }
}

void MessageGraph::fill(const Edges& edges, memory::Pool& pool) {
  const auto next = pool.allocate<Node>(Tag::kQueries, node_count());
  std::copy_n(nodes_.span().begin(), node_count(), next.span().begin());
  edges([&](std::uint32_t destination, std::uint32_t relation, std::uint32_t source) {
    Node& node = next[destination];
    sources_[node.first_edge++] = source;
    const bool is_new =
        node.first_group == nodes_[destination].first_group || groups_[node.first_group - 1].relation != relation;
    if (is_new) groups_[node.first_group++] = {relation, 0};
    ++groups_[node.first_group - 1].edges;
  });
  sort_groups();
}

/// Small groups first: branches of loops over them are foretold well.
void MessageGraph::sort_groups() {
  struct Place {
    kernels::EdgeGroup group;
    std::uint64_t first;
  };
  std::vector<Place> places;
  std::vector<std::uint32_t> sources;
  for (std::uint64_t v = 0; v < node_count(); ++v) {
    places.clear();
    std::uint64_t edge = nodes_[v].first_edge;
    for (std::uint64_t g = nodes_[v].first_group; g < nodes_[v + 1].first_group; edge += groups_[g++].edges)
      places.push_back({groups_[g], edge - nodes_[v].first_edge});
    std::stable_sort(places.begin(), places.end(),
                     [](const Place& a, const Place& b) { return a.group.edges < b.group.edges; });
    const auto of_node = sources_.span().subspan(nodes_[v].first_edge, degree(v));
    sources.assign(of_node.begin(), of_node.end());
    auto out = of_node.begin();
    for (std::size_t i = 0; i < places.size(); ++i) {
      groups_[nodes_[v].first_group + i] = places[i].group;
      out = std::copy_n(sources.begin() + static_cast<std::ptrdiff_t>(places[i].first), places[i].group.edges, out);
    }
  }
}

MessageGraph MessageGraph::of_partition(const graph::Shard& shard, const std::filesystem::path& partition_folder,
                                        memory::Pool& pool) {
  const graph::PartitionManifest& manifest = shard.manifest;
  const auto all = [&](const Visit& visit) {
    for (PartId id(0); id.value() < manifest.part_count(); ++id) {
      if (shard.placement.rank_of(id) == shard.rank)
        visit_part(shard.parts[id.value() - shard.parts.front().id().value()], visit);
      else
        visit_part(graph::Part::load(partition_folder, manifest, id, pool), visit);
    }
  };
  MessageGraph graph(manifest.entity_count, 2 * manifest.relation_count, all, pool);
  if (graph.edge_count() == 0)
    fail(ExitStatus::kBadData, "the graph of '{}' has no training triples: the model answers from them",
         partition_folder.string());
  return graph;
}

MessageGraph relation_graph(const MessageGraph& graph, memory::Pool& pool) {
  const std::uint64_t directed = graph.relation_count();
  const kernels::EdgeLists lists = graph.edges();
  Bits shared(directed, pool);  // whether an entity is the head of both
  for (std::uint64_t v = 0; v < graph.node_count(); ++v) {
    const auto of_node =
        lists.groups.subspan(lists.nodes[v].first_group, lists.nodes[v + 1].first_group - lists.nodes[v].first_group);
    for (const kernels::EdgeGroup& a : of_node)
      for (const kernels::EdgeGroup& b : of_node) shared.set(a.relation, b.relation);
  }
  // The tails of a relation are the heads of its inverse.
  const auto inverse = [=](std::uint64_t r) { return r < directed / 2 ? r + directed / 2 : r - directed / 2; };
  const auto edges = [&](const MessageGraph::Visit& visit) {
    for (std::uint32_t a = 0; a < directed; ++a)
      for (std::uint32_t kind = 0; kind < kMetaRelations; ++kind)
        for (std::uint32_t b = 0; b < directed; ++b) {
          const std::uint64_t from = kind == 1 || kind == 3 ? inverse(a) : a;
          const std::uint64_t to = kind == 1 || kind == 2 ? inverse(b) : b;
          if (shared.has(from, to)) visit(a, kind, b);
        }
  };
  return {directed, kMetaRelations, edges, pool};
}

}  // namespace tessera::propagation

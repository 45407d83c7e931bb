// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/batch.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <tuple>

namespace tessera::propagation {
namespace {

using kernels::EdgeGroup;
using kernels::EdgeLists;
using memory::Tag;

std::uint32_t inverse_of(std::uint32_t relation, std::uint64_t directed) {
  const auto half = static_cast<std::uint32_t>(directed / 2);
  return relation < half ? relation + half : relation - half;
}

/// The answers of a query in the graph, ascending.
std::span<const std::uint32_t> answers(const MessageGraph& graph, const TrainQuery& query) {
  const EdgeLists lists = graph.edges();
  std::uint64_t first = lists.nodes[query.source].first_edge;
  for (std::uint64_t g = lists.nodes[query.source].first_group; g < lists.nodes[query.source + 1].first_group; ++g) {
    if (lists.groups[g].relation == query.relation) return lists.sources.subspan(first, lists.groups[g].edges);
    first += lists.groups[g].edges;
  }
  return {};
}

}  // namespace

Removal find_removal(const std::string& name) {
  if (name == "own") return Removal::kOwn;
  if (name == "pair") return Removal::kPair;
  fail(ExitStatus::kUsage, "no edges are removed as '{}' says; \"own\" or \"pair\"", name);
}

TrainQuery query_of_edge(const MessageGraph& graph, std::uint64_t edge) {
  const EdgeLists lists = graph.edges();
  const auto after = std::upper_bound(lists.nodes.begin(), lists.nodes.end(), edge,
                                      [](std::uint64_t e, const EdgeLists::Node& node) { return e < node.first_edge; });
  const auto node = static_cast<std::uint32_t>(after - lists.nodes.begin() - 1);
  std::uint64_t group = lists.nodes[node].first_group;
  std::uint64_t end = lists.nodes[node].first_edge + lists.groups[group].edges;
  while (end <= edge) end += lists.groups[++group].edges;
  return {node, lists.groups[group].relation, lists.sources[edge]};
}

BatchGraph::BatchGraph(const MessageGraph& graph, memory::Pool& pool)
    : graph_(graph),
      nodes_(pool.allocate<EdgeLists::Node>(Tag::kBatch, graph.node_count() + 1)),
      groups_(pool.allocate<EdgeGroup>(Tag::kBatch, graph.edges().groups.size())),
      sources_(pool.allocate<std::uint32_t>(Tag::kBatch, graph.edge_count())) {}

std::uint64_t BatchGraph::bytes(const MessageGraph& graph) {
  return search::host_bytes<EdgeLists::Node>(graph.node_count() + 1) +
         search::host_bytes<EdgeGroup>(graph.edges().groups.size()) +
         search::host_bytes<std::uint32_t>(graph.edge_count());
}

kernels::EdgeLists BatchGraph::edges() const {
  return {nodes_.span(), groups_.span().first(group_count_), sources_.span().first(edge_count_)};
}

/// `removed` are those of the node.
void BatchGraph::copy_node(std::uint32_t node, std::span<const TrainQuery> removed, Removal removal) {
  const EdgeLists from = graph_.edges();
  std::uint64_t edge = from.nodes[node].first_edge;
  for (std::uint64_t g = from.nodes[node].first_group; g < from.nodes[node + 1].first_group; ++g) {
    EdgeGroup group{from.groups[g].relation, 0};
    for (std::uint32_t k = 0; k < from.groups[g].edges; ++k, ++edge) {
      const std::uint32_t source = from.sources[edge];
      const bool is_removed = std::any_of(removed.begin(), removed.end(), [&](const TrainQuery& query) {
        return query.answer == source && (removal == Removal::kPair || query.relation == group.relation);
      });
      if (is_removed) continue;
      sources_[edge_count_++] = source;
      ++group.edges;
    }
    if (group.edges > 0) groups_[group_count_++] = group;
  }
}

void BatchGraph::remove(std::span<const TrainQuery> queries, Removal removal) {
  removed_.clear();
  for (const TrainQuery& query : queries) {
    removed_.push_back(query);
    removed_.push_back({query.answer, inverse_of(query.relation, graph_.relation_count()), query.source});
  }
  std::sort(removed_.begin(), removed_.end(), [](const TrainQuery& a, const TrainQuery& b) {
    return std::tie(a.source, a.relation, a.answer) < std::tie(b.source, b.relation, b.answer);
  });
  const EdgeLists from = graph_.edges();
  group_count_ = edge_count_ = 0;
  std::size_t next = 0;
  for (std::uint32_t v = 0; v < graph_.node_count(); ++v) {
    nodes_[v] = {group_count_, edge_count_};
    const std::size_t first = next;
    while (next < removed_.size() && removed_[next].source == v) ++next;
    if (next > first) {
      copy_node(v, std::span(removed_).subspan(first, next - first), removal);
      continue;
    }
    const auto groups =
        from.groups.subspan(from.nodes[v].first_group, from.nodes[v + 1].first_group - from.nodes[v].first_group);
    const auto sources = from.sources.subspan(from.nodes[v].first_edge, graph_.degree(v));
    std::copy(groups.begin(), groups.end(), groups_.span().begin() + static_cast<std::ptrdiff_t>(group_count_));
    std::copy(sources.begin(), sources.end(), sources_.span().begin() + static_cast<std::ptrdiff_t>(edge_count_));
    group_count_ += groups.size();
    edge_count_ += sources.size();
  }
  nodes_[graph_.node_count()] = {group_count_, edge_count_};
}

Draw::Draw(const MessageGraph& graph, std::uint64_t seed, std::size_t batch_size)
    : graph_(graph), seed_(seed), batch_size_(batch_size) {}

std::uint64_t Draw::steps() const { return (graph_.edge_count() + batch_size_ - 1) / batch_size_; }

std::vector<TrainQuery> Draw::queries(std::uint32_t epoch, std::uint64_t step) const {
  const Permutation order(graph_.edge_count(), RandomStream(seed_, Purpose::kShuffle, epoch));
  std::vector<TrainQuery> out;
  const std::uint64_t end = std::min(graph_.edge_count(), (step + 1) * batch_size_);
  for (std::uint64_t i = step * batch_size_; i < end; ++i) out.push_back(query_of_edge(graph_, order(i)));
  return out;
}

void Draw::negatives(std::uint32_t epoch, std::uint64_t position, const TrainQuery& query, std::span<std::uint32_t> out,
                     std::size_t& count) const {
  const RandomStream stream(seed_, Purpose::kNegatives, epoch);
  const std::span<const std::uint32_t> known = answers(graph_, query);
  const std::uint64_t others = graph_.node_count() - known.size();
  count = others == 0 ? 0 : out.size();
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint64_t place = stream.below(position * out.size() + k, others);
    // The number of answers below the entity that has `place` others below it.
    std::size_t low = 0;
    for (std::size_t high = known.size(); low < high;) {
      const std::size_t middle = (low + high) / 2;
      if (known[middle] - middle <= place)
        low = middle + 1;
      else
        high = middle;
    }
    out[k] = static_cast<std::uint32_t>(place + low);
  }
}

}  // namespace tessera::propagation

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/training_graph.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::partition {
namespace {

constexpr std::size_t kMostShares = 8;  // threads that add neighbours; each looks at all edges
constexpr std::size_t kEdgesTogether = std::size_t{1} << 20U;
constexpr std::size_t kAhead = 32;

void number_vertices(TrainingSummary& summary) {
  for (std::size_t entity = 0; entity < summary.vertex.size(); ++entity) {
    if (summary.vertex[entity] == kLoose) continue;
    summary.vertex[entity] = summary.vertex_count();
    summary.vertex_degree.push_back(summary.degree[entity]);
  }
}

void require_countable(const graph::GraphReader& reader) {
  if (reader.entity_count() >= kLoose)
    fail(ExitStatus::kUsage, "'{}' has {} entities; at most {} can be partitioned", reader.file().path().string(),
         reader.entity_count(), kLoose - 1);
  if (reader.triple_count(graph::Split::kTrain) > kLoose / 2)
    fail(ExitStatus::kUsage, "'{}' has {} training triples; at most {} can be partitioned",
         reader.file().path().string(), reader.triple_count(graph::Split::kTrain), kLoose / 2);
}

}  // namespace

void scan_triples(const graph::GraphReader& reader, graph::Split split, const std::string& title,
                  const std::function<void(const Triple&)>& consume,
                  const std::function<void(const Triple&)>& prefetch) {
  Progress progress(title, reader.triple_count(split), "triples", title.empty());
  std::uint64_t done = 0;
  reader.for_each_block(split, [&](std::span<const Triple> block) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (prefetch && i + kAhead < block.size()) prefetch(block[i + kAhead]);
      consume(block[i]);
    }
    done += block.size();
    progress.update(done);
  });
}

TrainingSummary summarise_training(const graph::GraphReader& reader) {
  require_countable(reader);
  TrainingSummary summary;
  summary.degree.assign(reader.entity_count(), 0);
  summary.vertex.assign(reader.entity_count(), kLoose);
  summary.relation_offsets.assign(reader.relation_count() + 1, 0);
  Triple previous{};
  const auto prefetch = [&](const Triple& triple) {
    for (const EntityId entity : {triple.head, triple.tail}) {
      __builtin_prefetch(&summary.degree[entity.index()], 1);
      __builtin_prefetch(&summary.vertex[entity.index()], 1);
    }
  };
  const auto count = [&](const Triple& triple) {
    if (std::tie(triple.relation, triple.head, triple.tail) < std::tie(previous.relation, previous.head, previous.tail))
      fail(ExitStatus::kBadData, "'{}', /splits/train: the triples are not ordered by (relation, head, tail)",
           reader.file().path().string());
    previous = triple;
    ++summary.degree[triple.head.index()];
    ++summary.degree[triple.tail.index()];
    ++summary.relation_offsets[triple.relation.index() + 1];
    if (triple.head != triple.tail) summary.vertex[triple.head.index()] = summary.vertex[triple.tail.index()] = 0;
  };
  scan_triples(reader, graph::Split::kTrain, "counting", count, prefetch);
  std::partial_sum(summary.relation_offsets.begin(), summary.relation_offsets.end(), summary.relation_offsets.begin());
  number_vertices(summary);
  return summary;
}

Adjacency::Adjacency(const graph::GraphReader& reader, std::span<const std::uint32_t> vertex_of,
                     std::span<const std::uint64_t> most_neighbours, const AdjacencySettings& settings)
    : reader_(&reader),
      vertex_of_(vertex_of),
      most_neighbours_(most_neighbours),
      threads_(std::clamp<std::size_t>(settings.threads, 1, kMostShares)),
      block_starts_{0} {
  std::uint64_t bytes = 0;
  for (std::size_t first = 0; first < most_neighbours.size(); first += settings.segment) {
    const std::size_t end = std::min(first + settings.segment, most_neighbours.size());
    std::uint64_t segment_bytes = 0;
    for (std::size_t v = first; v < end; ++v)
      segment_bytes += most_neighbours[v] * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);
    if (bytes > 0 && bytes + segment_bytes > settings.block_bytes) {
      block_starts_.push_back(static_cast<std::uint32_t>(first));
      bytes = 0;
    }
    bytes += segment_bytes;
  }
  if (!most_neighbours.empty()) block_starts_.push_back(static_cast<std::uint32_t>(most_neighbours.size()));
  loaded_ = block_count();
}

void Adjacency::reserve(std::size_t block) {
  first_ = block_starts_[block];
  const std::uint32_t count = block_starts_[block + 1] - first_;
  starts_.assign(count, 0);
  std::exclusive_scan(most_neighbours_.begin() + first_, most_neighbours_.begin() + first_ + count, starts_.begin(),
                      std::uint64_t{0});
  neighbours_.resize(starts_.back() + most_neighbours_[first_ + count - 1]);
  ends_ = starts_;
}

void Adjacency::load(std::size_t block) {
  if (loaded_ == block) return;
  loaded_ = block_count();
  reserve(block);
  Edges edges;
  edges.reserve(kEdgesTogether);
  const std::string title = fmt::format("reading edges, block {} of {}", block + 1, block_count());
  scan_triples(*reader_, graph::Split::kTrain, title, [&](const Triple& triple) {
    edges.emplace_back(static_cast<std::uint32_t>(triple.head.value()),
                       static_cast<std::uint32_t>(triple.tail.value()));
    if (edges.size() < kEdgesTogether) return;
    add(edges);
    edges.clear();
  });
  add(edges);
  loaded_ = block;
}

// Each thread adds the neighbours of some of the vertices, in the order of the triples.
void Adjacency::add(const Edges& triples) {
  Edges edges(triples.size());
  const std::size_t piece = (triples.size() + threads_ - 1) / threads_;
  parallel_for(threads_, threads_, [&](std::size_t share) {
    for (std::size_t i = share * piece; i < std::min(triples.size(), (share + 1) * piece); ++i)
      edges[i] = {vertex_of_[triples[i].first], vertex_of_[triples[i].second]};
  });
  const std::uint64_t count = starts_.size();
  parallel_for(threads_, threads_, [&](std::size_t share) {
    const auto first = static_cast<std::uint32_t>(count * share / threads_);
    const auto end = static_cast<std::uint32_t>(count * (share + 1) / threads_);
    add_share(edges, first_ + first, end - first);
  });
}

void Adjacency::add_share(const Edges& edges, std::uint32_t first, std::uint32_t count) {
  const auto has = [&](std::uint32_t vertex) { return vertex - first < count; };  // wraps to a large number below first
  const auto add = [&](std::uint32_t from, std::uint32_t to) {
    if (has(from)) neighbours_[ends_[from - first_]++] = to;
  };
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (i + kAhead < edges.size()) {
      const auto& [head, tail] = edges[i + kAhead];
      if (has(head)) __builtin_prefetch(&ends_[head - first_], 1);
      if (has(tail)) __builtin_prefetch(&ends_[tail - first_], 1);
    }
    if (i + kAhead / 2 < edges.size()) {
      const auto& [head, tail] = edges[i + kAhead / 2];
      if (has(head)) __builtin_prefetch(&neighbours_[ends_[head - first_]], 1);
      if (has(tail)) __builtin_prefetch(&neighbours_[ends_[tail - first_]], 1);
    }
    const auto& [head, tail] = edges[i];
    if (head == tail) continue;
    add(head, tail);
    add(tail, head);
  }
}

void Adjacency::for_each_block(const std::function<void(const Rows&)>& visit) {
  for (std::size_t block = 0; block < block_count(); ++block) {
    load(block);
    visit({first_, starts_, ends_, neighbours_.data(), nullptr});
  }
}

}  // namespace tessera::partition

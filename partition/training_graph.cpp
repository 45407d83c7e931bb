// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/training_graph.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"

#include <numeric>

namespace tessera::partition {
namespace {

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
                  const std::function<void(const Triple&)>& consume) {
  Progress progress(title, reader.triple_count(split), "triples");
  std::uint64_t done = 0;
  reader.for_each_block(split, [&](std::span<const Triple> block) {
    for (const Triple& triple : block) consume(triple);
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
  scan_triples(reader, graph::Split::kTrain, "counting", [&](const Triple& triple) {
    if (std::tie(triple.relation, triple.head, triple.tail) < std::tie(previous.relation, previous.head, previous.tail))
      fail(ExitStatus::kBadData, "'{}', /splits/train: the triples are not ordered by (relation, head, tail)",
           reader.file().path().string());
    previous = triple;
    ++summary.degree[triple.head.index()];
    ++summary.degree[triple.tail.index()];
    ++summary.relation_offsets[triple.relation.index() + 1];
    if (triple.head != triple.tail) summary.vertex[triple.head.index()] = summary.vertex[triple.tail.index()] = 0;
  });
  std::partial_sum(summary.relation_offsets.begin(), summary.relation_offsets.end(), summary.relation_offsets.begin());
  number_vertices(summary);
  return summary;
}

Adjacency::Adjacency(const graph::GraphReader& reader, std::span<const std::uint32_t> vertex_of,
                     std::span<const std::uint64_t> most_neighbours, std::uint64_t block_bytes)
    : reader_(&reader), vertex_of_(vertex_of), most_neighbours_(most_neighbours), block_starts_{0} {
  std::uint64_t bytes = 0;
  for (std::size_t v = 0; v < most_neighbours.size(); ++v) {
    const std::uint64_t vertex_bytes = most_neighbours[v] * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);
    if (bytes > 0 && bytes + vertex_bytes > block_bytes) {
      block_starts_.push_back(static_cast<std::uint32_t>(v));
      bytes = 0;
    }
    bytes += vertex_bytes;
  }
  if (!most_neighbours.empty()) block_starts_.push_back(static_cast<std::uint32_t>(most_neighbours.size()));
  loaded_ = block_count();
}

void Adjacency::load(std::size_t block) {
  if (loaded_ == block) return;
  const std::uint32_t first = block_starts_[block];
  const std::uint32_t count = block_starts_[block + 1] - first;
  starts_.assign(count, 0);
  std::exclusive_scan(most_neighbours_.begin() + first, most_neighbours_.begin() + first + count, starts_.begin(),
                      std::uint64_t{0});
  neighbours_.resize(starts_.back() + most_neighbours_[first + count - 1]);
  ends_ = starts_;
  const auto add = [&](std::uint32_t from, std::uint32_t to) {
    const std::uint32_t slot = from - first;  // wraps to a large number below the block
    if (slot < count) neighbours_[ends_[slot]++] = to;
  };
  const std::string title = fmt::format("reading edges, block {} of {}", block + 1, block_count());
  scan_triples(*reader_, graph::Split::kTrain, title, [&](const Triple& triple) {
    const std::uint32_t head = vertex_of_[triple.head.index()];
    const std::uint32_t tail = vertex_of_[triple.tail.index()];
    if (head == tail) return;
    add(head, tail);
    add(tail, head);
  });
  loaded_ = block;
}

std::span<std::uint32_t> Adjacency::neighbours(std::uint64_t slot) {
  return {neighbours_.data() + starts_[slot], ends_[slot] - starts_[slot]};
}

void Adjacency::for_each(const Visit& visit) {
  for (std::size_t block = 0; block < block_count(); ++block) {
    load(block);
    for (std::uint32_t v = block_starts_[block]; v < block_starts_[block + 1]; ++v)
      visit(v, neighbours(v - block_starts_[block]));
  }
}

void Adjacency::for_each_shuffled(const RandomStream& order, const Visit& visit) {
  for (std::size_t block = 0; block < block_count(); ++block) {
    load(block);
    const std::uint32_t first = block_starts_[block];
    const Permutation shuffle(block_starts_[block + 1] - first, order);
    for (std::uint64_t i = 0; i < shuffle.size(); ++i) {
      const std::uint64_t slot = shuffle(i);
      visit(static_cast<std::uint32_t>(first + slot), neighbours(slot));
    }
  }
}

}  // namespace tessera::partition

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/fennel.hpp"

#include "partition/proposals.hpp"

#include <numeric>
#include <utility>

namespace tessera::partition {
namespace {

// Fennel's alpha * gamma for gamma = 3/2, when loads are in means of a part and weights in queries.
constexpr double kStrength = 0.75;
// A pass that moves fewer vertices than one in this many is the last one.
constexpr std::uint64_t kStillMoving = 300;

template <class T>
double mean(const std::vector<T>& values, std::size_t parts) {
  return static_cast<double>(std::accumulate(values.begin(), values.end(), std::uint64_t{0})) /
         static_cast<double>(parts);
}

// A part and the links of a vertex into it.
struct Link {
  std::uint32_t part;
  std::uint32_t count;
};

// Links into each part; Part is an integer that is just wide enough, so that the parts of many vertices fit the caches.
template <class Part>
class PartLinks {
 public:
  static constexpr Part kNone = std::numeric_limits<Part>::max();

  explicit PartLinks(std::size_t parts) : counts_(parts) {}

  void count(std::span<const std::uint32_t> neighbours, const std::uint32_t* weights, const Part* part_of_vertex) {
    read_.resize(std::max(read_.size(), neighbours.size()));
    for (std::size_t i = 0; i < neighbours.size(); ++i) read_[i] = part_of_vertex[neighbours[i]];
    links_.clear();
    for (std::size_t i = 0; i < neighbours.size(); ++i) {
      if (read_[i] == kNone) continue;
      std::uint32_t& count = counts_[read_[i]];
      if (count == 0) links_.push_back({read_[i], 0});
      count += weights == nullptr ? 1 : weights[i];
    }
    for (Link& link : links_) link.count = std::exchange(counts_[link.part], 0);
  }
  [[nodiscard]] std::span<const Link> links() const { return links_; }

 private:
  std::vector<std::uint32_t> counts_;
  std::vector<Link> links_;
  std::vector<Part> read_;
};

// The choice of one vertex. Where it fits, the lightest part without links beats the other parts without links, so a
// choice costs O(links) as a rule. Where it fits nowhere, the cost of excess trades rows for queries between full
// parts. Of equal parts the current one is best, then that of the least number: the order of links is no matter.
class Choice {
 public:
  Choice(const PartLoads& loads, const Mover& mover) : loads_(loads), mover_(mover) {}

  std::uint32_t among(std::span<const Link> links) {
    const std::uint32_t lightest = loads_.lightest();
    bool current_linked = false;
    bool lightest_linked = false;
    for (const Link& link : links) {
      consider(link.part, link.count);
      current_linked = current_linked || link.part == mover_.current;
      lightest_linked = lightest_linked || link.part == lightest;
    }
    if (mover_.current != kNoPart && !current_linked) consider(mover_.current, 0);
    if (lightest != mover_.current && !lightest_linked) consider(lightest, 0);
    if (best_excess_ > 0) consider_rest(links);
    return best_;
  }

 private:
  void consider_rest(std::span<const Link> links) {
    std::vector<bool> seen(loads_.size());
    for (const Link& link : links) seen[link.part] = true;
    for (std::uint32_t part = 0; part < loads_.size(); ++part)
      if (!seen[part]) consider(part, 0);
  }

  void consider(std::uint32_t part, std::uint32_t links) {
    double excess = 0;
    const double score = links - loads_.price(mover_, part, excess);
    if (best_ != kNoPart) {
      if (score < best_score_) return;
      if (score == best_score_ && part != mover_.current && (best_ == mover_.current || best_ <= part)) return;
    }
    best_ = part;
    best_score_ = score;
    best_excess_ = excess;
  }

  const PartLoads& loads_;
  const Mover& mover_;
  std::uint32_t best_ = kNoPart;
  double best_score_ = 0;
  double best_excess_ = 0;
};

template <class Part>
class Fennel {
 public:
  Fennel(const VertexWeights& weights, PartLoads loads, const StreamSettings& settings)
      : weights_(&weights),
        seed_(settings.seed),
        loads_(std::move(loads)),
        counters_(std::max<std::size_t>(1, settings.threads), PartLinks<Part>(loads_.size())),
        wishes_(settings.threads) {}

  void run(Neighbours& graph, std::uint32_t passes, std::span<std::uint32_t> part_of_vertex) {
    for (const std::uint32_t part : part_of_vertex)
      parts_.push_back(part == kNoPart ? PartLinks<Part>::kNone : static_cast<Part>(part));
    for (std::size_t v = 0; v < parts_.size(); ++v)
      if (part_of_vertex[v] != kNoPart)
        loads_.add(part_of_vertex[v], weights_->rows[v], static_cast<double>(weights_->queries[v]));
    for (std::uint32_t pass = 0; pass < passes; ++pass) {
      moved_ = 0;
      const RandomStream order(seed_, Purpose::kPartition, pass);
      for_each_batch(graph, parts_.size(), order, [&](const Rows& rows, const Batch& batch) { place(rows, batch); });
      if (moved_ * kStillMoving < parts_.size()) break;
    }
    std::copy(parts_.begin(), parts_.end(), part_of_vertex.begin());
  }

 private:
  // A vertex that would move if it were alone, and its links.
  struct Wish {
    std::uint32_t vertex;
    std::vector<Link> links;
  };

  [[nodiscard]] Mover mover(std::uint32_t vertex) const {
    const Part part = parts_[vertex];
    return {static_cast<double>(weights_->rows[vertex]), static_cast<double>(weights_->queries[vertex]),
            part == PartLinks<Part>::kNone ? kNoPart : part};
  }

  void place(const Rows& rows, const Batch& batch) {
    wishes_.collect(rows, batch, [&](std::size_t worker, std::uint32_t vertex, std::vector<Wish>& wishes) {
      PartLinks<Part>& counter = counters_[worker];
      counter.count(rows.of(vertex), rows.weights_of(vertex), parts_.data());
      const Mover here = mover(vertex);
      if (Choice(loads_, here).among(counter.links()) != here.current)
        wishes.push_back({vertex, {counter.links().begin(), counter.links().end()}});
    });
    wishes_.for_each([&](const Wish& wish) {
      const Mover here = mover(wish.vertex);
      const std::uint32_t to = Choice(loads_, here).among(wish.links);
      if (to == here.current) return;
      loads_.move(here, to);
      parts_[wish.vertex] = static_cast<Part>(to);
      ++moved_;
    });
  }

  const VertexWeights* weights_;
  std::uint64_t seed_;
  PartLoads loads_;
  std::vector<Part> parts_;
  std::vector<PartLinks<Part>> counters_;  // by worker
  Proposals<Wish> wishes_;
  std::uint64_t moved_ = 0;
};

}  // namespace

PartLoads::PartLoads(std::size_t parts, const VertexWeights& weights, LoadLimits limits)
    : per_mean_row_(1 / mean(weights.rows, parts)),
      per_mean_query_(1 / mean(weights.queries, parts)),
      strength_(kStrength * mean(weights.queries, parts)),
      query_limit_(limits.queries),
      per_row_limit_(1 / limits.rows),
      per_query_limit_(1 / limits.queries),
      rows_(parts),
      queries_(parts),
      level_(parts),
      root_(parts),
      excess_(parts) {
  for (std::uint32_t p = 0; p < parts; ++p) by_level_.emplace(0.0, p);
}

void PartLoads::add(std::uint32_t part, double rows, double queries) {
  by_level_.erase({level_[part], part});
  rows_[part] += rows;
  queries_[part] += queries;
  level_[part] = level(rows_[part], queries_[part]);
  root_[part] = std::sqrt(std::max(0.0, level_[part]));
  excess_[part] = excess(rows_[part], queries_[part]);
  by_level_.emplace(level_[part], part);
}

void PartLoads::move(const Mover& mover, std::uint32_t to) {
  if (mover.current != kNoPart) add(mover.current, -mover.rows, -mover.queries);
  add(to, mover.rows, mover.queries);
}

void restream_parts(Neighbours& graph, const VertexWeights& weights, PartLoads loads, const StreamSettings& settings,
                    std::uint32_t passes, std::span<std::uint32_t> part_of_vertex) {
  const std::size_t parts = loads.size();
  const auto run = [&](auto part) {
    Fennel<decltype(part)>(weights, std::move(loads), settings).run(graph, passes, part_of_vertex);
  };
  if (parts < PartLinks<std::uint8_t>::kNone)
    run(std::uint8_t{});
  else if (parts < PartLinks<std::uint16_t>::kNone)
    run(std::uint16_t{});
  else
    run(std::uint32_t{});
}

}  // namespace tessera::partition

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/round_graphs.hpp"

#include "comm/agreement.hpp"
#include "core/mix.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"
#include "model/gather_parts.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace tessera::train {
namespace {

using graph::PartFigures;
using graph::PartitionManifest;
using graph::Split;

constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

// Queries of one part by the part of their target.
std::vector<std::uint64_t> count_by_target(const graph::Part& part, const PartitionManifest& manifest) {
  std::vector<std::uint64_t> counts(manifest.part_count(), 0);
  part.queries(Split::kTrain).for_each_chunk([&](RelationId /*relation*/, auto /*sources*/, auto targets) {
    for (const std::uint64_t target : targets) ++counts[manifest.owner(EntityId(target)).index()];
  });
  return counts;
}

// Takes the queries of one part that fall into a round, with the ids of the round's graph.
class RoundQueries {
 public:
  struct Round {
    const RoundOrder& order;
    const QueryRounds& queries;
    std::uint32_t number;
    const PartitionManifest& whole;
    const PartitionManifest& manifest;     // of the round
    std::span<const std::uint32_t> slots;  // of each part of the whole graph, or kNoSlot
  };
  RoundQueries(const Round& round, const graph::Part& part, std::uint64_t key)
      : round_(round), part_(part), key_(key), group_(round.order.group_of(part.id())) {}

  graph::QueryColumns take() {
    columns_.relation_offsets.assign(2 * round_.whole.relation_count + 1, 0);
    const graph::QuerySet& queries = part_.queries(Split::kTrain);
    columns_.mean_weight = queries.has_weights() ? 1 : 0;  // they are divided by the mean already
    std::uint64_t done = 0;
    std::vector<float> weights;
    queries.for_each_chunk([&](RelationId relation, auto sources, auto targets) {
      weights.resize(queries.has_weights() ? sources.size() : 0);
      if (!weights.empty()) queries.read_weights(done, weights);
      for (std::size_t i = 0; i < sources.size(); ++i)
        consider(relation, sources[i], targets[i], weights.empty() ? 0 : weights[i]);
      done += sources.size();
    });
    end_list();
    for (std::size_t r = 0; r + 1 < columns_.relation_offsets.size(); ++r)
      columns_.relation_offsets[r + 1] += columns_.relation_offsets[r];
    return std::move(columns_);
  }
  [[nodiscard]] const PartFigures& figures() const { return figures_; }

 private:
  void consider(RelationId relation, std::uint32_t source, std::uint64_t target, float weight) {
    const PartId owner = owner_of(target);
    const std::uint32_t slot = round_.slots[owner.index()];
    if (slot == kNoSlot) return;
    const std::uint32_t group = round_.order.group_of(owner);
    const std::uint64_t list = (std::uint64_t{relation.value()} << 32U) | source;
    const auto random = static_cast<std::uint32_t>(mix(key_ + list * kMixStep + group) >> 32U);
    if (round_.queries.round(group_, group, random) != round_.number) return;
    if (list != list_) end_list();
    list_ = list;
    ++columns_.relation_offsets[relation.index() + 1];
    columns_.sources.push_back(source);
    if (columns_.mean_weight > 0) columns_.weights.push_back(weight);
    columns_.targets.push_back(round_.manifest.offsets[slot] + (target - round_.whole.offsets[owner.index()]));
    ++figures_.queries;
    if (owner != part_.id()) ++figures_.cut_queries;
  }
  // The targets of a list ascend in the whole graph. Here their parts have other places.
  void end_list() {
    if (columns_.weights.empty())
      std::sort(columns_.targets.begin() + static_cast<std::ptrdiff_t>(list_begin_), columns_.targets.end());
    else
      sort_with_weights();
    list_begin_ = columns_.targets.size();
  }
  void sort_with_weights() {
    std::vector<std::pair<std::uint64_t, float>> list;
    for (std::size_t i = list_begin_; i < columns_.targets.size(); ++i)
      list.emplace_back(columns_.targets[i], columns_.weights[i]);
    std::sort(list.begin(), list.end());
    for (std::size_t k = 0; k < list.size(); ++k)
      std::tie(columns_.targets[list_begin_ + k], columns_.weights[list_begin_ + k]) = list[k];
  }
  // Most targets have the part of the target before.
  PartId owner_of(std::uint64_t target) {
    const auto& offsets = round_.whole.offsets;
    if (target < offsets[owner_.index()] || target >= offsets[owner_.index() + 1])
      owner_ = round_.whole.owner(EntityId(target));
    return owner_;
  }

  Round round_;
  const graph::Part& part_;
  std::uint64_t key_;
  std::uint32_t group_;
  PartId owner_;
  std::uint64_t list_ = std::numeric_limits<std::uint64_t>::max();
  std::size_t list_begin_ = 0;
  graph::QueryColumns columns_;
  PartFigures figures_;
};

}  // namespace

RoundGraphs::RoundGraphs(const Setup& setup) : setup_(setup), placement_(setup.resident, setup.comm.size()) {
  const PartitionManifest& manifest = setup.shard.manifest;
  const std::size_t parts = manifest.part_count();
  std::vector<std::uint64_t> own(setup.shard.parts.size() * parts);
  comm::together(setup.comm, [&] {
    parallel_for(setup.shard.parts.size(), setup.threads, [&](std::size_t i) {
      const auto counts = count_by_target(setup.shard.parts[i], manifest);
      std::copy(counts.begin(), counts.end(), own.begin() + static_cast<std::ptrdiff_t>(i * parts));
    });
  });
  counts_ = model::gather_parts<std::uint64_t>(setup.comm, setup.shard.placement, own, parts);
}

void RoundGraphs::begin_epoch(std::uint32_t epoch) {
  const std::uint32_t parts = setup_.shard.manifest.part_count();
  epoch_ = epoch;
  order_.emplace(parts, setup_.resident, setup_.seed, epoch);
  rounds_.emplace(*order_, counts_, parts);
}

// Keeps the parts that stay in the slots of this rank.
void RoundGraphs::load_parts(std::size_t round) {
  std::map<PartId, graph::Part> before = std::exchange(parts_, {});
  std::vector<PartId> missing;
  for (PartId slot = placement_.first_part(setup_.comm.rank()); slot < placement_.end_part(setup_.comm.rank());
       ++slot) {
    const PartId part = order_->part(round, slot.value());
    if (auto kept = before.extract(part); !kept.empty())
      parts_.insert(std::move(kept));
    else
      missing.push_back(part);
  }
  before.clear();
  for (const PartId part : missing)
    parts_.emplace(
        part, graph::Part::load(setup_.folder, setup_.shard.manifest, part, setup_.pool, graph::QueryPlace::kFile));
}

PartitionManifest RoundGraphs::manifest_of(std::size_t round) const {
  const PartitionManifest& whole = setup_.shard.manifest;
  PartitionManifest manifest;
  manifest.method = whole.method;
  manifest.graph_digest = whole.graph_digest;
  manifest.digest = whole.digest;
  manifest.seed = whole.seed;
  manifest.relation_count = whole.relation_count;
  manifest.offsets.push_back(0);
  for (std::uint32_t slot = 0; slot < setup_.resident; ++slot)
    manifest.offsets.push_back(manifest.offsets.back() + whole.rows(order_->part(round, slot)));
  manifest.entity_count = manifest.offsets.back();
  return manifest;
}

graph::Shard RoundGraphs::make(std::size_t round) {
  const PartitionManifest& whole = setup_.shard.manifest;
  graph::Shard shard{manifest_of(round), placement_, setup_.comm.rank(), {}};
  std::vector<std::uint32_t> slots(whole.part_count(), kNoSlot);
  for (std::uint32_t slot = 0; slot < setup_.resident; ++slot) slots[order_->part(round, slot).index()] = slot;
  const PartId first = placement_.first_part(setup_.comm.rank());
  std::vector<PartFigures> figures(placement_.part_count(setup_.comm.rank()));
  std::vector<graph::QueryColumns> columns(figures.size());
  comm::together(setup_.comm, [&] {
    load_parts(round);
    parallel_for(figures.size(), setup_.threads, [&](std::size_t i) {
      const PartId part = order_->part(round, first.value() + static_cast<std::uint32_t>(i));
      const std::uint64_t key = RandomStream(setup_.seed, Purpose::kRounds, epoch_, part.value()).bits(0);
      RoundQueries queries({*order_, *rounds_, static_cast<std::uint32_t>(round), whole, shard.manifest, slots},
                           parts_.at(part), key);
      columns[i] = queries.take();
      figures[i] = queries.figures();
      figures[i].rows = whole.rows(part);
    });
    for (std::size_t i = 0; i < figures.size(); ++i)
      shard.parts.push_back(graph::Part::made(shard.manifest, PartId(first.value() + static_cast<std::uint32_t>(i)),
                                              std::exchange(columns[i], {}), setup_.pool));
  });
  shard.manifest.figures = model::gather_parts<PartFigures>(setup_.comm, placement_, figures);
  return shard;
}

}  // namespace tessera::train

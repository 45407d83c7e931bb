// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "core/job.hpp"
#include "graph/split.hpp"
#include "model/parameters.hpp"
#include "support/graph_fixture.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tessera::test {

/// Entry k of the row of an entity or relation; entities by global id.
using Entry = std::function<float(std::uint64_t row, std::size_t k)>;

/// Whole numbers -2 .. 2: scores are exact in float, and many of them tie.
Entry small_integers(std::uint64_t seed);
/// Standard normals: no ties.
Entry normals(std::uint64_t seed);

/// Entries of every row of a model, whoever owns it.
struct ModelValues {
  std::string scorer = "complex";
  std::size_t dim = 8;
  Entry entity = small_integers(1);
  Entry relation = small_integers(2);
  [[nodiscard]] Job::Model job() const;
};

/// Fills the rows that this rank owns, and the relations.
void fill(const ModelValues& values, const graph::Shard& shard, model::Parameters& parameters);

/// The model and its graph in double precision on one rank: slow, obvious, and written from the formulas alone.
class BruteForce {
 public:
  BruteForce(const StoredGraph& stored, ModelValues values) : stored_(stored), values_(std::move(values)) {}

  /// Scores of all entities, by global id, as answers to (source, relation, ?).
  [[nodiscard]] std::vector<double> scores(EntityId source, RelationId relation) const;
  /// Global ids of the known answers to (source, relation, ?) in some splits.
  [[nodiscard]] std::set<EntityId> known(EntityId source, RelationId relation,
                                         std::span<const graph::Split> splits) const;

  struct Counts {
    std::uint32_t n_greater = 0;
    std::uint32_t n_equal = 0;
    std::uint32_t candidates = 0;  ///< the target included
    auto operator<=>(const Counts&) const = default;
  };
  /// Counts of one query when known answers of `filter` are left out.
  [[nodiscard]] Counts rank(EntityId source, RelationId relation, EntityId target,
                            std::span<const graph::Split> filter) const;
  /// The same among `listed` entities (global ids, each counts as often as it is listed) and the target.
  [[nodiscard]] Counts rank_among(EntityId source, RelationId relation, EntityId target,
                                  std::span<const graph::Split> filter, std::span<const EntityId> listed) const;
  /// Training triples that have the entity, at either end.
  [[nodiscard]] std::uint64_t train_degree(EntityId entity) const;
  /// True when no training triple has the entity.
  [[nodiscard]] bool is_unseen(EntityId entity) const;

 private:
  const StoredGraph& stored_;
  ModelValues values_;
};

}  // namespace tessera::test

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/ids.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::model {

/// The entity rows that this rank owns, by global id. A rank owns a contiguous run of parts, hence of ids.
class OwnRows {
 public:
  OwnRows(const graph::Shard& shard, const Parameters& parameters);

  using Place = graph::Shard::Place;
  [[nodiscard]] bool owns(EntityId entity) const { return entity >= first_ && entity < end_; }
  [[nodiscard]] EntityId first() const { return first_; }
  [[nodiscard]] EntityId end() const { return end_; }
  /// The four below ask for an owned entity. O(log parts).
  [[nodiscard]] Place place(EntityId entity) const { return shard_.place(entity); }
  /// row[dim] = the row in fp32.
  void read(EntityId entity, float* row) const;
  /// True when no training triple has the entity.
  [[nodiscard]] bool is_unseen(EntityId entity) const;
  /// query[dim] = q(source, relation) of an owned source, with the operators as they are.
  void compose(EntityId source, RelationId relation, float* query) const;

 private:
  const graph::Shard& shard_;
  const Parameters& parameters_;
  EntityId first_;
  EntityId end_;
};

/// The largest magnitude of n values; infinite or NaN when one of them is.
float largest_magnitude(const float* values, std::size_t n);

/// Collective. The largest magnitude in any entity row of any rank. Throws AgreedError(kBadData) naming the row when
/// one of an entity, a relation or the core is not finite: scores would be no numbers, and comparing with them would
/// count for nothing. Reads all rows once.
float require_finite_rows(comm::Communicator& comm, const Parameters& parameters, std::size_t threads);

/// True when no score can overflow, given the largest magnitudes in query vectors and entity rows (false for NaN): then
/// every comparison of scores is one of numbers.
bool scores_are_finite(kernels::Similarity similarity, float query_magnitude, float row_magnitude, std::size_t dim);

}  // namespace tessera::model

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"
#include "evaluate/ranking.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace tessera::evaluate {

/// Collective. The triples of a split, or the sample that the ranking takes, each by its tail query: on every rank all
/// of them, in part order.
std::vector<Triple> triples_of(Ranking& ranking, graph::Split split, std::uint64_t relations);

/// Makes false triples of true ones: the tail of triple i is replaced for an even k, else the head. The replacement is
/// the same end of another triple of the relation, so that it is of a likely type, or, for every other pair of k, any
/// entity. A false triple may be known to the graph. A function of the seed and of the triples alone.
class FalseTriples {
 public:
  /// `triples` outlive this.
  FalseTriples(std::span<const Triple> triples, std::uint64_t entities, std::uint64_t seed);
  /// The `k`-th of `per_triple` ones that are made of triple `i`.
  [[nodiscard]] Triple make(std::size_t i, std::uint64_t k, std::uint64_t per_triple) const;

 private:
  std::span<const Triple> triples_;
  std::uint64_t entities_;
  RandomStream random_;
  std::map<std::uint32_t, std::vector<std::size_t>> of_relation_;
};

}  // namespace tessera::evaluate

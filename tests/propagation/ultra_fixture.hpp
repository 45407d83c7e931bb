// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::test {

/// Random weights of ULTRA, by the names that its files have.
propagation::Tensors random_weights(std::size_t dim, std::size_t layers, std::uint64_t seed);

/// An edge (head, relation, tail) of a small graph.
struct OracleEdge {
  std::uint32_t head;
  std::uint32_t relation;
  std::uint32_t tail;
};

/// A graph, and those of its triples along which messages between entities go.
struct OracleGraph {
  std::vector<OracleEdge> triples;
  std::vector<OracleEdge> seen;
  std::uint32_t entities;
  std::uint32_t relations;
};

/// The scores of all entities for a query by weights of NBFNet (with a tensor "query.weight") or ULTRA, in double.
std::vector<double> oracle_scores(const propagation::Tensors& weights, const OracleGraph& graph,
                                  const OracleEdge& query);

/// ULTRA in double, slow and from the formulas alone: the scores of all entities for (source, relation, ?). `triples`
/// are in the direction of the data; `relation` may be an inverse one.
std::vector<double> oracle_scores(const propagation::Tensors& weights, const std::vector<OracleEdge>& triples,
                                  std::uint32_t entities, std::uint32_t relations, const OracleEdge& query);

}  // namespace tessera::test

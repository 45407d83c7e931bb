// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/false_triples.hpp"

namespace tessera::evaluate {

std::vector<Triple> triples_of(Ranking& ranking, graph::Split split, std::uint64_t relations) {
  std::vector<Triple> triples;
  ranking.run(split, [&](std::span<const RankedQuery> ranked) {
    for (const RankedQuery& query : ranked)
      if (query.relation.value() < relations) triples.push_back({query.source, query.relation, query.target});
  });
  return triples;
}

FalseTriples::FalseTriples(std::span<const Triple> triples, std::uint64_t entities, std::uint64_t seed)
    : triples_(triples), entities_(entities), random_(seed, Purpose::kCalibration) {
  for (std::size_t i = 0; i < triples.size(); ++i) of_relation_[triples[i].relation.value()].push_back(i);
}

Triple FalseTriples::make(std::size_t i, std::uint64_t k, std::uint64_t per_triple) const {
  Triple triple = triples_[i];
  const std::uint64_t number = i * per_triple + k;
  const bool is_tail = k % 2 == 0;
  const std::vector<std::size_t>& alike = of_relation_.at(triple.relation.value());
  const Triple& other = triples_[alike[random_.below(number, alike.size())]];
  const EntityId end =
      k / 2 % 2 == 0 ? (is_tail ? other.tail : other.head) : EntityId(random_.below(number, entities_));
  (is_tail ? triple.tail : triple.head) = end;
  return triple;
}

}  // namespace tessera::evaluate

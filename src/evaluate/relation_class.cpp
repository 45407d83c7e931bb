// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/relation_class.hpp"

#include <array>
#include <span>

namespace tessera::evaluate {
const char* name(RelationClass relation_class) {
  constexpr std::array<const char*, kRelationClassCount> kNames = {"1-1", "1-N", "N-1", "N-N", "unseen"};
  return kNames.at(static_cast<std::size_t>(relation_class));
}

RelationClass classify(std::uint64_t triples, std::uint64_t distinct_heads, std::uint64_t distinct_tails) {
  if (triples == 0) return RelationClass::kUnseen;
  const bool many_tails = 2 * triples >= 3 * distinct_heads;  // tails per head >= 1.5
  const bool many_heads = 2 * triples >= 3 * distinct_tails;
  if (many_heads) return many_tails ? RelationClass::kManyToMany : RelationClass::kManyToOne;
  return many_tails ? RelationClass::kOneToMany : RelationClass::kOneToOne;
}

std::vector<RelationClass> relation_classes(const search::Ranks& setup) {
  const std::uint64_t relations = setup.shard.manifest.relation_count;
  const std::uint64_t directed = 2 * relations;
  std::vector<std::int64_t> sums(2 * directed);        // by directed relation: queries, then distinct sources
  for (const graph::Part& part : setup.shard.parts) {  // a source is in one part only
    const graph::QuerySet& train = part.queries(graph::Split::kTrain);
    for (std::size_t chunk = 0; chunk < train.chunk_count(); ++chunk) {
      const std::size_t r = train.relation(chunk).index();
      sums[r] += static_cast<std::int64_t>(train.chunk_queries(chunk));
      sums[directed + r] += std::int64_t{train.list_count(chunk)} - (train.continues(chunk) ? 1 : 0);
    }
  }
  setup.comm.all_reduce(sums, comm::Reduction::kSum);
  std::vector<RelationClass> classes(relations);
  for (std::uint64_t r = 0; r < relations; ++r)
    classes[r] = classify(static_cast<std::uint64_t>(sums[r]), static_cast<std::uint64_t>(sums[directed + r]),
                          static_cast<std::uint64_t>(sums[directed + relations + r]));
  return classes;
}

}  // namespace tessera::evaluate

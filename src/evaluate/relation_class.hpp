// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::evaluate {

/// How many answers a relation has on either side in the training split (Bordes et al. 2013): a side counts as "many"
/// when an entity on the other side has at least 1.5 answers there on average.
enum class RelationClass : std::uint8_t {
  kOneToOne,
  kOneToMany,  ///< a head has many tails
  kManyToOne,
  kManyToMany,
  kUnseen,  ///< in no training triple
};
inline constexpr std::size_t kRelationClassCount = 5;
/// "1-1", "1-N", "N-1", "N-N", "unseen".
const char* name(RelationClass relation_class);

/// The class of a relation with these numbers of training triples, heads and tails.
RelationClass classify(std::uint64_t triples, std::uint64_t distinct_heads, std::uint64_t distinct_tails);

/// Collective. The class of every relation 0 .. R-1. One pass over the training queries of this rank and a reduction of
/// 4 R integers; O(R) memory.
std::vector<RelationClass> relation_classes(const search::Ranks& setup);

}  // namespace tessera::evaluate

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/list_ring.hpp"
#include "kernels/backend.hpp"
#include "sampling/dropout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::sampling {

/// The queries of one owned part in a step, as kernels read them.
template <execution::Space kSpace>
struct QueryLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  using Floats = typename execution::ListWriter<kSpace>::Floats;
  using Segments = kernels::BasicSegments<kSpace>;

  std::size_t queries = 0;
  std::size_t query_begin = 0;  ///< where they begin among the queries of the step
  std::size_t own_begin = 0;    ///< where they begin among the queries of the owned parts
  OrderPosition position;
  Indices sources;     ///< rows
  Indices relations;   ///< directed
  Floats answers;      ///< triples that each query stands for, by weight
  Indices source_ids;  ///< distinct sources
  Segments by_source;
  Indices relation_ids;  ///< distinct relations
  Segments by_relation;
  Floats relation_answers;
  std::size_t first_leaf = 0;  ///< where the distinct relations begin among those of the owned parts
  Indices relation_leaves;     ///< with a core: by query, where its relation is among those of the owned parts
  Indices sorted_relations;    ///< with dropout of relations: relations, or leaves, in the order of by_relation
  Indices dense_slots;         ///< with relation prediction: distinct relations among [owned parts, relations]
};

}  // namespace tessera::sampling

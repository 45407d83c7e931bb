// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows/halo_rows.hpp"
#include "exchange/tree/relation_sum.hpp"
#include "sampling/query_lists.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::train {

/// The entity rows that one owned part uses in a step. Rows of other parts are in its halo.
template <execution::Space kSpace>
struct RowsPartLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  using Segments = kernels::BasicSegments<kSpace>;

  Indices targets;    ///< rows of the table with its halo, by query
  Indices negatives;  ///< rows of negatives
  // Negatives that are the target of query i are masked_columns[masked_first[i]] .. masked_columns[masked_end[i] - 1].
  Indices masked_first;
  Indices masked_end;
  Indices masked_columns;
  /// sampling::Round::prior(); empty where all parts are in memory.
  typename execution::ListWriter<kSpace>::Floats target_priors;
  typename execution::ListWriter<kSpace>::Floats negative_priors;
  /// What the loss of each query is multiplied by; empty where triples have no weights.
  typename execution::ListWriter<kSpace>::Floats times;
  /// Uses of each distinct row: sources 0 .. n-1, targets n .. 2n-1, negatives from 2n on.
  Segments by_row;
  /// Gradients that arrive, by own row: RowDemand::asked().
  Indices arriving_ids;
  Segments by_arriving;
};

/// The lists that the kernels of a step read when rows are moved.
template <execution::Space kSpace>
struct RowsStepLists {
  std::size_t slot = 0;       ///< slot of RowDemand
  std::uint64_t queries = 0;  ///< queries of all parts
  std::vector<sampling::QueryLists<kSpace>> sides;
  std::vector<RowsPartLists<kSpace>> parts;
  exchange::RelationSumLists<kSpace> relations;
  exchange::RowDemandLists<kSpace> demand;
};

}  // namespace tessera::train

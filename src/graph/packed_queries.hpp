// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/query_set.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::graph {

/// Queries of one split before they are packed, ordered by (relation, source, target).
struct QueryColumns {
  std::vector<std::uint64_t> relation_offsets;  ///< [2R + 1]
  std::vector<std::uint32_t> sources;           ///< local rows
  std::vector<std::uint64_t> targets;           ///< global ids
  std::vector<float> weights;                   ///< of the queries, if the graph has weights
  double mean_weight = 0;                       ///< of all training triples of the graph; 0: without weights
};

/// Sorts by (relation, source, target), drops what comes twice, and lays out as columns.
QueryColumns to_columns(std::vector<Query> queries, std::uint64_t directed_relations);
/// The same of distinct queries with weights. Takes 24 bytes for each query while it sorts.
QueryColumns to_weighted_columns(std::vector<Query> queries, std::vector<float> weights, double mean_weight,
                                 std::uint64_t directed_relations);

/// The rows of a part, as global ids.
struct PartRows {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// Distinct targets that are no rows of the part, ascending.
std::vector<std::uint64_t> targets_elsewhere(const std::array<QueryColumns, 3>& splits, const PartRows& rows);

/// The columns of a QuerySet, owned.
struct QueryChunks {
  std::vector<std::uint32_t> relation_chunks;
  std::vector<std::uint32_t> first_sources;
  std::vector<std::uint32_t> first_queries;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> bytes;  ///< with kPadding bytes behind the last chunk

  [[nodiscard]] QueryChunkColumns view() const {
    return {relation_chunks, first_sources, first_queries, offsets,
            std::span(bytes).first(bytes.size() - packing::kPadding)};
  }
};

/// Packs the queries of a split; their targets are rows of the part or `elsewhere`. Throws Error(kUsage) when the part
/// is too large: 2^32 queries, bytes or targets.
QueryChunks pack_queries(const QueryColumns& queries, const PartRows& rows, std::span<const std::uint64_t> elsewhere);

}  // namespace tessera::graph

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "exchange/queries/query_lists.hpp"
#include "execution/list_ring.hpp"
#include "kernels/backend.hpp"
#include "sampling/query_lists.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::train {

/// The targets of a step, of all queries, that are rows of one owned part.
template <execution::Space kSpace>
struct TargetLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;
  using Floats = typename execution::ListWriter<kSpace>::Floats;

  std::size_t count = 0;
  std::size_t first = 0;  ///< where the part's targets begin among those of all owned parts
  // In the order of the step.
  Indices row;
  Indices entry;  ///< among the targets of all parts
  Indices query;
  Indices relation;
  Indices query_offsets;  ///< [queries of the step + 1]: targets by query
  Floats times;           ///< weights of their triples; empty where triples have no weights
  // By row.
  Indices ids;  ///< distinct rows
  kernels::BasicSegments<kSpace> by_row;
  Floats counts;  ///< targets of each distinct row, by weight
  Indices slots;  ///< distinct rows, counted from the beginning of their block
  // By row, where all rows are candidates: query, column in the block, entry.
  Indices cell_query;
  Indices cell_column;
  Indices cell_entry;
};

/// Sampled candidates of an owned part.
template <execution::Space kSpace>
struct SampledLists {
  using Indices = typename execution::ListWriter<kSpace>::Indices;

  Indices rows;
  kernels::BasicRuns<kSpace> masked;  ///< candidates that are a target of the query
  std::size_t first_occurrence = 0;   ///< where the part's occurrences begin among those of all owned parts
  Indices occurrence_ids;             ///< distinct rows among candidates, targets and sources
  kernels::BasicSegments<kSpace> by_occurrence;
};

/// The lists of a step for the rows of one owned part.
template <execution::Space kSpace>
struct PartLists {
  typename execution::ListWriter<kSpace>::Indices source_slots;  ///< distinct sources, counted from their block's begin
  TargetLists<kSpace> targets;
  SampledLists<kSpace> sampled;
};

/// The lists that the kernels of a step read when queries are moved.
template <execution::Space kSpace>
struct StepLists {
  std::uint64_t queries = 0;
  std::uint64_t targets = 0;
  typename execution::ListWriter<kSpace>::Indices first_target;  ///< [queries + 1]
  typename execution::ListWriter<kSpace>::Floats times;          ///< [targets] weights; empty where triples have none
  std::vector<sampling::QueryLists<kSpace>> sides;               ///< by owned part
  std::vector<PartLists<kSpace>> parts;                          ///< by owned part
  exchange::QueryExchangeLists<kSpace> exchange;
};

/// Positions first .. end - 1 of a list.
struct ListRange {
  std::size_t first;
  std::size_t end;
  [[nodiscard]] std::size_t size() const { return end - first; }
};

/// Which of the rising `ids` belong to rows first .. first + count - 1 of a part of `rows`. A device has whole parts.
template <execution::Space kSpace>
ListRange ids_in(kernels::Vector<kSpace, const std::uint32_t> ids, std::size_t first, std::size_t count,
                 std::size_t rows) {
  if (count == rows) return {0, ids.size()};
  if constexpr (kSpace == execution::Space::kHost) {
    const auto begin = std::lower_bound(ids.begin(), ids.end(), first);
    const auto end = std::lower_bound(begin, ids.end(), first + count);
    return {static_cast<std::size_t>(begin - ids.begin()), static_cast<std::size_t>(end - ids.begin())};
  }
  fail(ExitStatus::kInternal, "a device works on whole parts");
}

/// Segments of a range.
template <execution::Space kSpace>
kernels::BasicSegments<kSpace> segments_in(const kernels::BasicSegments<kSpace>& segments, ListRange range) {
  return {segments.offsets.subspan(range.first, range.size() + 1), segments.positions};
}

/// Values `first` and `end` of a rising list of offsets, as a range. On the host only.
template <execution::Space kSpace>
ListRange values_at(kernels::Vector<kSpace, const std::uint32_t> offsets, std::size_t first, std::size_t end) {
  if constexpr (kSpace == execution::Space::kHost) return {offsets[first], offsets[end]};
  fail(ExitStatus::kInternal, "a device works on whole parts");
}

/// Positions of a range of segments.
template <execution::Space kSpace>
ListRange positions_in(const kernels::BasicSegments<kSpace>& segments, ListRange range) {
  if (range.size() == segments.size()) return {0, segments.positions.size()};
  return values_at<kSpace>(segments.offsets, range.first, range.end);
}

}  // namespace tessera::train

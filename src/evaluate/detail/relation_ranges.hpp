// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/list_counts.hpp"
#include "evaluate/detail/query_block.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// The entities that a graph has at each end of a relation: the candidates of type-constrained ranking (Krompass et
/// al., ISWC 2015, without declared types). A rank has those that it owns. All splits count, so a target and the known
/// answers of a query are always among its candidates.
class RelationRanges {
 public:
  /// 4 bytes per own (relation, source) of each split, from the pool (Tag::kEvaluation). Reads all own queries. Throws
  /// Error(kOverBudget).
  RelationRanges(const search::Setup& setup, const model::OwnRows& rows);

  /// Compares each query of the block with the own candidates of its relation: adds to n_greater and n_equal, and to
  /// n_others their number. The target is level with itself. Not collective.
  void count(const QueryBlock& block, const Counts& counts) const;

 private:
  /// Consecutive queries of one relation.
  struct Run {
    std::size_t first;
    std::size_t count;
    std::span<const std::uint32_t> rows;  ///< own candidates
  };
  void fill();
  [[nodiscard]] std::span<const std::uint32_t> candidates(std::uint32_t relation) const {
    return rows_of_.span().subspan(begin_[relation], size_[relation]);
  }
  void count_tile(const QueryBlock& block, const Run& run, std::size_t first_row, const Counts& counts) const;

  const search::Setup& setup_;
  const model::OwnRows& rows_;
  std::vector<std::uint64_t> begin_;       // [2 R + 1] by directed relation, where the list of its candidates begins
  std::vector<std::uint64_t> size_;        // [2 R] candidates
  memory::Buffer<std::uint32_t> rows_of_;  // numbers among the own rows, ascending
};

}  // namespace tessera::evaluate::detail

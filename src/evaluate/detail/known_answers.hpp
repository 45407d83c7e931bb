// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/pair_scorer.hpp"
#include "evaluate/detail/query_block.hpp"
#include "graph/split.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "model/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// Takes the known answers out of the counts of a block. Their ids travel from the owners of the sources to all ranks
/// in rounds of fixed size, however many answers a query has; each rank scores those that it owns.
class KnownAnswers {
 public:
  /// `round` known answers at a time.
  KnownAnswers(const model::Setup& setup, const model::OwnRows& rows, const PairScorer& scorer, std::uint64_t round);

  /// Collective. Subtracts from n_greater and n_equal (this rank's counts) the known answers that this rank owns, the
  /// target excepted. An answer that several splits have counts once.
  void subtract(const QueryBlock& block, std::span<const graph::Split> splits, std::span<const float> target_scores,
                std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal);

  static std::uint64_t memory_bytes(std::uint64_t round);

 private:
  struct Range {
    std::uint64_t first;
    std::uint64_t end;
    [[nodiscard]] std::uint64_t size() const { return end - first; }
  };
  void exchange(const QueryBlock& block, std::span<const graph::Split> splits, Range known);
  void fill_own(const QueryBlock& block, std::span<const graph::Split> splits, Range own);
  void find_queries(const QueryBlock& block, Range known);
  void subtract_group(const QueryBlock& block, std::size_t group, Range known, std::span<const float> target_scores,
                      std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) const;

  const model::Setup& setup_;
  const model::OwnRows& rows_;
  const PairScorer& scorer_;
  std::uint64_t round_;
  std::vector<std::uint64_t> counts_bytes_;
  memory::Buffer<std::uint64_t> own_entities_;
  memory::Buffer<std::uint64_t> entities_;
  memory::Buffer<std::uint32_t> query_of_;  // first query of the group of each
  memory::Buffer<float> scores_;
};

}  // namespace tessera::evaluate::detail

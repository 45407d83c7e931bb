// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/entity_lists.hpp"
#include "evaluate/detail/pair_scorer.hpp"
#include "evaluate/detail/query_block.hpp"
#include "memory/pool.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// The counts of one rank for each query of a block.
struct Counts {
  std::span<const float> target_scores;
  std::span<std::int64_t> n_greater;
  std::span<std::int64_t> n_equal;
  std::span<std::int64_t> n_others;  ///< candidates that were compared with the target; it is not one of them
};

/// Adds lists of entities to the counts of a block, or takes them out. Ids travel from the owners of the sources to all
/// ranks in rounds of fixed size, however long a list is; each rank scores those that it owns.
class ListCounts {
 public:
  /// `round` entities of lists at a time. Only those `among` the candidates are counted, if not all are candidates.
  ListCounts(const search::Setup& setup, const PairScorer& scorer, std::uint64_t round, const search::RowMask* among);

  /// Collective. Adds `sign` (1 or -1) for every entity in the lists of the block that this rank owns, the target
  /// excepted. `lists` are those that the block was gathered with.
  void add(const QueryBlock& block, const EntityLists& lists, int sign, const Counts& counts);

  static std::uint64_t bytes(std::uint64_t round);

 private:
  struct Range {
    std::uint64_t first;
    std::uint64_t end;
    [[nodiscard]] std::uint64_t size() const { return end - first; }
  };
  void exchange(const QueryBlock& block, const EntityLists& lists, Range listed);
  void fill_own(const QueryBlock& block, const EntityLists& lists, Range own);
  void find_queries(const QueryBlock& block, Range listed);
  void add_group(const QueryBlock& block, std::size_t group, Range listed, int sign, const Counts& counts) const;

  const search::Setup& setup_;
  const PairScorer& scorer_;
  std::uint64_t round_;
  const search::RowMask* among_;
  std::vector<std::size_t> rank_begin_;  // [ranks + 1] of a round
  memory::Buffer<std::uint64_t> own_entities_;
  memory::Buffer<std::uint64_t> entities_;
  memory::Buffer<std::uint32_t> query_of_;  // first query of the group of each
  memory::Buffer<float> scores_;
};

}  // namespace tessera::evaluate::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/entity_lists.hpp"
#include "evaluate/detail/query_order.hpp"
#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/query_vectors.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// The part of a query that every rank knows.
struct QueryHeader {
  std::uint64_t source;
  std::uint64_t target;
  std::uint64_t listed;        ///< length of the list of a group; at its first query, else 0
  std::uint32_t relation;      ///< directed
  std::uint16_t unseen;        ///< 1: no training triple has the source
  std::uint16_t magnitude_ok;  ///< 1: no score of this query can overflow
};

/// Consecutive queries of a block that share a query vector and a list of entities: those of the same source and
/// relation, or each query alone when lists are by target.
struct Group {
  std::uint64_t first_listed;  ///< its list starts there in all lists of the block, one after the other
  std::uint32_t first_query;
};

/// A block of consecutive queries, the same on every rank once gathered: headers, groups and query vectors.
class QueryBlock {
 public:
  QueryBlock(const search::Setup& setup, const model::OwnRows& rows, std::uint64_t capacity);

  /// Collective. Queries [first, first + count) of `order` and the lengths of their lists; `row_magnitude` is the
  /// largest of any entity row. Composing is spread over the threads.
  void gather(const QueryOrder& order, const EntityLists& lists, float row_magnitude, std::uint64_t first,
              std::uint64_t count);

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::span<const QueryHeader> headers() const { return headers_.span().first(count_); }
  [[nodiscard]] kernels::ConstMatrix vectors() const { return vectors_.vectors(); }
  [[nodiscard]] std::size_t group_count() const { return group_count_; }
  /// 0 .. group_count(); the one past the last holds the ends.
  [[nodiscard]] const Group& group(std::size_t g) const { return groups_[g]; }
  [[nodiscard]] std::uint64_t listed_count() const { return groups_[group_count_].first_listed; }
  /// Queries [rank_begin(r), rank_begin(r + 1)) of the block are of rank r.
  [[nodiscard]] std::size_t rank_begin(std::size_t rank) const { return rank_begin_[rank]; }
  /// Places [listed_begin(r), listed_begin(r + 1)) of the lists of the block are of queries of rank r.
  [[nodiscard]] std::uint64_t listed_begin(std::size_t rank) const { return listed_begin_[rank]; }

  static std::uint64_t bytes(std::uint64_t capacity, std::size_t dim);

 private:
  void split_by_rank(const QueryOrder& order, std::uint64_t first);
  void compose(const QueryOrder& order, const EntityLists& lists, float row_magnitude, std::uint64_t first);
  void exchange();
  void find_groups(bool by_target);

  const search::Setup& setup_;
  const model::OwnRows& rows_;
  search::QueryVectors vectors_;
  std::size_t count_ = 0;
  std::size_t group_count_ = 0;
  std::vector<std::size_t> rank_begin_;      // [ranks + 1]
  std::vector<std::uint64_t> listed_begin_;  // [ranks + 1]
  memory::Buffer<QueryHeader> own_headers_;
  memory::Buffer<QueryHeader> headers_;
  memory::Buffer<Group> groups_;
};

}  // namespace tessera::evaluate::detail

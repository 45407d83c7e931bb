// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/query_order.hpp"
#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "model/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// What every rank knows of a query.
struct QueryHeader {
  std::uint64_t source;
  std::uint64_t target;
  std::uint64_t known;         ///< known answers of (source, relation); counted at the first query of a group, else 0
  std::uint32_t relation;      ///< directed
  std::uint16_t unseen;        ///< 1: no training triple has the source
  std::uint16_t magnitude_ok;  ///< 1: no score of this query can overflow
};

/// Consecutive queries of a block with the same source and relation: they share the query vector and the known answers.
struct Group {
  std::uint64_t first_known;  ///< its known answers start there in the list of all known answers of the block
  std::uint32_t first_query;
};

/// A block of consecutive queries, the same on every rank once gathered: headers, groups and query vectors.
class QueryBlock {
 public:
  QueryBlock(const model::Setup& setup, const model::OwnRows& rows, std::uint64_t capacity);

  /// Collective. Queries [first, first + count) of `order`; `splits` hold the known answers; `row_magnitude` is the
  /// largest of any entity row. Composing is spread over the threads.
  void gather(const QueryOrder& order, std::span<const graph::Split> splits, float row_magnitude, std::uint64_t first,
              std::uint64_t count);

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::span<const QueryHeader> headers() const { return headers_.span().first(count_); }
  [[nodiscard]] kernels::ConstMatrix vectors() const { return {vectors_.data(), count_, dim_, dim_}; }
  [[nodiscard]] std::size_t group_count() const { return group_count_; }
  /// 0 .. group_count(); the one past the last holds the ends.
  [[nodiscard]] const Group& group(std::size_t g) const { return groups_[g]; }
  [[nodiscard]] std::uint64_t known_count() const { return groups_[group_count_].first_known; }
  /// Queries [rank_begin(r), rank_begin(r + 1)) of the block are of rank r.
  [[nodiscard]] std::size_t rank_begin(std::size_t rank) const { return rank_begin_[rank]; }
  /// Known answers [known_begin(r), known_begin(r + 1)) of the block are of queries of rank r.
  [[nodiscard]] std::uint64_t known_begin(std::size_t rank) const { return known_begin_[rank]; }

  static std::uint64_t memory_bytes(std::uint64_t capacity, std::size_t dim);

 private:
  void split_by_rank(const QueryOrder& order, std::uint64_t first);
  void compose(const QueryOrder& order, std::span<const graph::Split> splits, float row_magnitude, std::uint64_t first);
  void exchange();
  void find_groups();

  const model::Setup& setup_;
  const model::OwnRows& rows_;
  std::size_t dim_;
  std::size_t count_ = 0;
  std::size_t group_count_ = 0;
  std::vector<std::size_t> rank_begin_;      // [ranks + 1]
  std::vector<std::uint64_t> known_begin_;   // [ranks + 1]
  std::vector<std::uint64_t> counts_bytes_;  // [ranks]
  memory::Buffer<QueryHeader> own_headers_;
  memory::Buffer<QueryHeader> headers_;
  memory::Buffer<float> own_vectors_;
  memory::Buffer<float> vectors_;
  memory::Buffer<Group> groups_;
};

}  // namespace tessera::evaluate::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "model/setup.hpp"
#include "predict/searcher.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::predict::detail {

/// Query vectors of a block on every rank: composed by the owners of the sources, gathered in the order of the ranks.
class QueryVectors {
 public:
  QueryVectors(const model::Setup& setup, const model::OwnRows& rows, float row_magnitude, std::uint64_t capacity);

  /// Collective. Throws AgreedError(kBadData) when a score could be no number.
  void gather(std::span<const SearchQuery> queries);

  [[nodiscard]] kernels::ConstMatrix vectors() const { return {vectors_.data(), order_.size(), dim_, dim_}; }
  /// The query that vector `slot` is of.
  [[nodiscard]] std::size_t query(std::size_t slot) const { return order_[slot]; }

  static std::uint64_t memory_bytes(std::uint64_t capacity, std::size_t dim) {
    return 2 * capacity * dim * sizeof(float);
  }

 private:
  void order_by_owner(std::span<const SearchQuery> queries);
  const model::Setup& setup_;
  const model::OwnRows& rows_;
  float row_magnitude_;
  std::size_t dim_;
  std::vector<std::size_t> order_;           // slot -> query
  std::vector<std::size_t> rank_begin_;      // [ranks + 1] slots
  std::vector<std::uint64_t> counts_bytes_;  // [ranks]
  memory::Buffer<float> own_vectors_;
  memory::Buffer<float> vectors_;
};

}  // namespace tessera::predict::detail

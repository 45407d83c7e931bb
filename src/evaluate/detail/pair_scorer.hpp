// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/row_mask.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::evaluate::detail {

/// Single scores of query vectors against owned entity rows, with the bits that the ranking kernel compares.
class PairScorer {
 public:
  PairScorer(const search::Setup& setup, const model::OwnRows& rows);

  /// scores[i] = similarity(vectors[query_of[i]], row of entities[i]) when this rank owns that entity, else NaN, which
  /// compares with nothing. So is that of an entity which is not `among` the candidates, where those are some only.
  /// Spread over the threads; no allocation.
  void score(kernels::ConstMatrix vectors, std::span<const std::uint32_t> query_of,
             std::span<const std::uint64_t> entities, std::span<float> scores,
             const search::RowMask* among = nullptr) const;

  static std::uint64_t bytes(std::size_t dim, std::size_t threads);

 private:
  struct Task {
    std::size_t first;
    std::size_t count;
    float* scratch;
    const search::RowMask* among;
  };
  void score_task(Task task, kernels::ConstMatrix vectors, std::span<const std::uint32_t> query_of,
                  std::span<const std::uint64_t> entities, std::span<float> scores) const;

  const search::Setup& setup_;
  const model::OwnRows& rows_;
  std::size_t dim_;
  std::size_t task_pairs_;
  memory::Buffer<float> scratch_;  // per thread: vectors, then rows, [task_pairs_, dim] each
};

}  // namespace tessera::evaluate::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/copies.hpp"
#include "execution/executor.hpp"
#include "execution/staging.hpp"
#include "kernels/backend.hpp"
#include "search/cost.hpp"
#include "search/plan.hpp"
#include "search/row_windows.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::search {

/// What ranking and answering share: queries, the rows of a rank and scores of tiles of them in the memory of an
/// executor, and the order of the work. Where the products of the executor are approximate, dot products are screened:
/// then there are norms of both sides, and the cost is counted.
template <kernels::Space kSpace>
class Comparison {
 public:
  using Executor = execution::Executor<kSpace>;
  using Rows = NumberedRows<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  template <class T>
  using Buffer = typename Executor::template Buffer<T>;

  /// Queries in the executor's memory.
  struct Queries {
    ConstMatrix vectors;        ///< [n, dim]
    Vector<const float> norms;  ///< [n], where they are screened
  };

  /// `borrowed` are the rows of every part as RowWindows takes them, there where sizes.borrows. The setup and whoever
  /// has the rows outlive this.
  Comparison(const Setup& setup, std::unique_ptr<Executor> executor, const Sizes& sizes, const Plan& plan,
             std::vector<ConstMatrix> borrowed);
  /// Of the executor's memory.
  static std::uint64_t bytes(const Sizes& sizes, const Plan& plan);

  [[nodiscard]] Executor& executor() { return *executor_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] execution::Staging<kSpace>& staging() { return staging_; }
  [[nodiscard]] std::uint64_t row_count() const { return rows_.size(); }
  [[nodiscard]] kernels::Similarity similarity() const { return similarity_; }
  [[nodiscard]] bool screens() const { return screening_.ranks != nullptr; }
  [[nodiscard]] const kernels::BasicScreenedRanks<kSpace>& screened() const { return *screening_.ranks; }
  [[nodiscard]] float error_factor() const { return error_factor_; }

  /// The parameters may have changed; nothing has been compared.
  void begin();
  /// Calls body(piece, rows, worker) for all pieces of the queries and blocks of rows that are all rows of the rank.
  template <class Body>
  void for_each_block(std::size_t pieces, const Body& body) {
    rows_.for_each([&](std::span<const Rows> window) {
      const auto rows_in = [&](std::size_t i) { return window[i / pieces].rows.rows; };
      executor_->for_part_blocks(window.size() * pieces, rows_in, block_rows_,
                                 [&](std::size_t i, std::size_t first, std::size_t count, std::size_t worker) {
                                   body(i % pieces, window[i / pieces].block(first, count), worker);
                                 });
    });
  }
  /// Calls body(tile) for tiles of a block.
  template <class Body>
  void for_each_tile(const Rows& block, const Body& body) const {
    const std::size_t step = plan_.tile_rows > 0 ? plan_.tile_rows : block.rows.rows;
    for (std::size_t first = 0; first < block.rows.rows; first += step)
      body(block.block(first, std::min(step, block.rows.rows - first)));
  }
  /// Vectors [n, dim] of at most plan().queries queries, side by side: good until the next.
  Queries upload(const kernels::ConstMatrix& vectors);
  /// Scores [queries, rows of the tile], approximate where they are screened: good until the worker's next.
  kernels::BasicMatrix<kSpace> score(const Queries& queries, const Rows& tile, std::size_t worker);

  /// Where kernels add up what they score again.
  [[nodiscard]] Vector<kernels::ScreeningCost> cost_memory() { return screening_cost_.span(); }
  void add_screened(std::uint64_t pairs) { cost_.screened += screens() ? pairs : 0; }
  /// Waits for all work; then cost() is what it cost.
  void finish();
  [[nodiscard]] const Cost& cost() const { return cost_; }

 private:
  std::unique_ptr<Executor> executor_;
  Plan plan_;
  std::size_t dim_;
  std::size_t block_rows_;
  kernels::Similarity similarity_;
  kernels::BasicScreening<kSpace> screening_;
  float error_factor_ = 0;
  Cost cost_;

  execution::Staging<kSpace> staging_;
  RowWindows<kSpace> rows_;
  execution::ExecutorCopy<kSpace, float> queries_;  // [queries, dim]
  Buffer<float> scores_;                            // by worker [queries, tile_rows]
  Buffer<float> query_norms_;                       // [queries]
  Buffer<kernels::ScreeningCost> screening_cost_;   // [1]
  execution::HostCopy<kSpace, kernels::ScreeningCost> host_cost_;
};

extern template class Comparison<kernels::Space::kHost>;
extern template class Comparison<kernels::Space::kDevice>;

}  // namespace tessera::search

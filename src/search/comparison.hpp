// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"
#include "execution/staging.hpp"
#include "kernels/backend.hpp"
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

/// Pairs of a query and a row that a rank screened, and what screening left open.
struct Cost {
  std::uint64_t screened = 0;   ///< compared by approximate scores first; 0: all of them by their exact scores
  std::uint64_t rescored = 0;   ///< screened pairs that were scored again exactly, one by one
  std::uint64_t recounted = 0;  ///< screened pairs in tiles that were scored again as a whole
};
/// Collective. Logs the sum over all ranks, where anything was screened.
void log_cost(comm::Communicator& comm, const Cost& own);

/// The common part of ranking and answering. It holds queries, the rows of a rank and scores of tiles in the memory of
/// an executor, and orders the work. Where the products of the executor are approximate, dot products are screened:
/// then it computes norms of both sides and counts the cost.
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

  /// Queries of a block in the executor's memory.
  struct Queries {
    std::size_t first;          ///< among those of the block
    ConstMatrix vectors;        ///< [n, dim]
    Vector<const float> norms;  ///< [n], where they are screened
  };

  /// `borrowed` are the rows of every part, for RowWindows, if sizes.borrows. The setup and the owner of these rows
  /// outlive this object.
  Comparison(const Setup& setup, std::unique_ptr<Executor> executor, const Sizes& sizes, const Plan& plan,
             std::vector<ConstMatrix> borrowed);
  /// Bytes of the executor's memory.
  static std::uint64_t bytes(const Sizes& sizes, const Plan& plan);

  [[nodiscard]] Executor& executor() { return *executor_; }
  [[nodiscard]] std::uint64_t row_count() const { return rows_.size(); }
  [[nodiscard]] kernels::Similarity similarity() const { return similarity_; }
  [[nodiscard]] bool screens() const { return screening_.ranks != nullptr; }
  [[nodiscard]] const kernels::BasicScreenedRanks<kSpace>& screened() const { return *screening_.ranks; }
  [[nodiscard]] float error_factor() const { return error_factor_; }

  /// Scores are of `similarity` from now on, not of the model's; where scores are not screened.
  void compare_by(kernels::Similarity similarity);
  /// The parameters may have changed; nothing has been compared.
  void begin();
  /// The block that is compared from now on: vectors [n, dim], side by side, that stay as they are until finish().
  void set_queries(const kernels::ConstMatrix& vectors);
  /// Calls body(queries, tile, worker) for pieces of queries first .. first + count - 1 of the block and tiles of rows:
  /// for each piece all rows of the rank, each once.
  template <class Body>
  void for_each_tile(std::size_t first, std::size_t count, const Body& body) {
    const std::size_t pieces = (count + plan_.queries - 1) / plan_.queries;
    cost_.screened += screens() ? count * rows_.size() : 0;
    rows_.for_each([&](std::span<const Rows> window) {
      const auto rows_in = [&](std::size_t i) { return window[i / pieces].rows.rows; };
      const auto compare = [&](std::size_t i, std::size_t row, std::size_t rows, std::size_t worker) {
        const std::size_t query = i % pieces * plan_.queries;
        const Queries some = queries(first + query, std::min<std::size_t>(plan_.queries, count - query));
        const std::size_t step = plan_.tile_rows > 0 ? plan_.tile_rows : rows;
        for (std::size_t t = 0; t < rows; t += step)
          body(some, window[i / pieces].block(row + t, std::min(step, rows - t)), worker);
      };
      executor_->for_part_blocks(window.size() * pieces, rows_in, block_rows_, compare);
    });
  }
  /// Scores [queries, rows of the tile], approximate where they are screened: good until the worker's next.
  kernels::BasicMatrix<kSpace> score(const Queries& queries, const Rows& tile, std::size_t worker);
  /// Where kernels add up what they score again.
  [[nodiscard]] Vector<kernels::ScreeningCost> cost_memory() { return screening_cost_.span(); }
  /// Waits for all work; then cost() is what it cost.
  void finish();
  [[nodiscard]] const Cost& cost() const { return cost_; }

  /// Only a device copies what both it and the host read.
  static constexpr bool kCopies = kSpace == kernels::Space::kDevice;
  /// Returns `from` in the executor's memory: a copy on a device, else `from` itself.
  Vector<const float> upload(std::span<const float> from, Buffer<float>& copy);
  /// Returns `from` in host memory, which is valid after finish().
  template <class T>
  std::span<T> download(Vector<T> from, memory::Buffer<T>& copy) {
    if constexpr (!kCopies) {
      return from;
    } else {
      const std::span<T> to = copy.span().first(from.size());
      executor_->download(Vector<const T>(from), to);
      return to;
    }
  }

 private:
  [[nodiscard]] Queries queries(std::size_t first, std::size_t count) const;

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
  Buffer<float> query_copies_;                     // [block, dim]
  ConstMatrix queries_;                            // [block, dim]
  Buffer<float> scores_;                           // by worker [queries, tile_rows]
  Buffer<float> query_norms_;                      // [block]
  Buffer<kernels::ScreeningCost> screening_cost_;  // [1]
  std::array<kernels::ScreeningCost, 1> host_cost_{};
};

extern template class Comparison<kernels::Space::kHost>;
extern template class Comparison<kernels::Space::kDevice>;

}  // namespace tessera::search

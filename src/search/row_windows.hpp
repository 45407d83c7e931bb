// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/staging.hpp"
#include "kernels/matrix.hpp"
#include "kernels/screened_ranks.hpp"
#include "model/parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::search {

/// Entity rows in the memory of an executor, numbered among the rows of the rank.
template <kernels::Space kSpace>
struct NumberedRows {
  std::uint64_t first;                         ///< number of the first of them
  kernels::BasicConstMatrix<kSpace> rows;      ///< [n, dim]
  kernels::Vector<kSpace, const float> norms;  ///< [n] of ScreenedRanks::norms(), if they are wanted
  [[nodiscard]] NumberedRows block(std::size_t begin, std::size_t count) const {
    return {first + begin, rows.block(begin, count), norms.empty() ? norms : norms.subspan(begin, count)};
  }
};

/// The entity rows of a rank in the memory of an executor, in fp32, one part after the other, for passes over all rows.
/// The rows are borrowed from an object that has them there, or brought: converted from the format in which they are
/// stored, and uploaded. Rows that fit are brought once; else every pass brings one window after the other.
template <kernels::Space kSpace>
class RowWindows {
 public:
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using Executor = execution::Executor<kSpace>;
  using Rows = NumberedRows<kSpace>;
  /// Takes memory (Tag::kEvaluation) for `window_rows` rows, and their norms where `norms` makes them. `borrowed` rows,
  /// matrices of all that are compared, are read where they are: only norms take memory then. Everything that is named
  /// outlives this.
  RowWindows(const model::Parameters& parameters, execution::Staging<kSpace>& staging, std::uint64_t window_rows,
             const kernels::BasicScreenedRanks<kSpace>* norms, std::vector<ConstMatrix> borrowed);
  static std::uint64_t bytes(std::uint64_t window_rows, std::size_t dim, bool borrows, bool has_norms);

  /// The parameters may have changed: rows are brought, and norms made, again.
  void forget() { are_there_ = false; }
  /// Rows of this rank.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Calls use(window) for windows that have all rows in order; a window is a span of Rows, good until the next one.
  template <class Use>
  void for_each(const Use& use) {
    for (std::uint64_t first = 0; first < size_; first += window_rows_) use(open(first));
    are_there_ = window_rows_ >= size_;
  }

 private:
  template <class T>
  using Buffer = typename Executor::template Buffer<T>;
  std::span<const Rows> open(std::uint64_t first);
  void bring(std::uint64_t first, std::uint64_t count);
  void convert(const kernels::ConstStoredRows& rows, kernels::Vector<kSpace, float> to);
  void add(std::uint64_t first, std::uint64_t window_first, const ConstMatrix& rows);

  execution::Staging<kSpace>& staging_;
  const kernels::BasicScreenedRanks<kSpace>* norms_of_;
  std::size_t dim_;
  std::uint64_t window_rows_;
  const model::Parameters& parameters_;
  std::vector<ConstMatrix> borrowed_;  // borrowed rows of all parts, or none
  std::uint64_t size_;
  bool are_there_ = false;  // all of them, or their norms
  std::vector<Rows> window_;
  Buffer<float> rows_;        // [window_rows, dim] or none
  Buffer<float> norms_;       // [window_rows] or none
  std::vector<float> piece_;  // rows that are converted for a device
};

/// The rows of all parts where the host has them; none where they are stored in another format than fp32.
std::vector<kernels::ConstMatrix> rows_of(const model::Parameters& parameters);

extern template class RowWindows<kernels::Space::kHost>;
extern template class RowWindows<kernels::Space::kDevice>;

}  // namespace tessera::search

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "kernels/screened_ranks.hpp"
#include "memory/place.hpp"
#include "memory/staging.hpp"
#include "model/parameters.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::model {

/// The entity rows of a rank in one memory space, one part after the other, for passes over all of them: brought there
/// once, or, where they do not fit, a window after the other in every pass; or lent by whoever has them there.
template <kernels::Space kSpace>
class ResidentRows {
 public:
  struct Window {
    std::uint64_t first;                         ///< among the rows of the rank
    kernels::BasicConstMatrix<kSpace> rows;      ///< [n, dim]
    kernels::Vector<kSpace, const float> norms;  ///< [n] of ScreenedRanks::norms(), if they are wanted
  };
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  /// Takes memory (Tag::kEvaluation) for `window_rows` rows, and their norms where `norms` makes them. `lent` rows, a
  /// matrix for every part, are read where they are: only norms take memory then. Everything that is named outlives
  /// this.
  ResidentRows(const Parameters& parameters, memory::Place<kSpace>& place, memory::Staging<kSpace>& staging,
               std::uint64_t window_rows, const kernels::BasicScreenedRanks<kSpace>* norms,
               std::vector<ConstMatrix> lent = {});

  /// The parameters may have changed: rows are brought, and norms made, again.
  void forget() { are_there_ = false; }
  /// Rows of this rank.
  [[nodiscard]] std::uint64_t size() const { return own_rows_; }
  /// Calls use(window) for windows that have all rows in order. A window is good until the next one.
  template <class Use>
  void for_each(const Use& use) {
    if (lent_.empty())
      for (std::uint64_t first = 0; first < own_rows_; first += window_rows_) use(brought_window(first));
    std::uint64_t part_first = 0;
    for (const ConstMatrix& part : lent_) {
      for (std::uint64_t row = 0; row < part.rows; row += window_rows_)
        use(with_norms(part_first + row, part.block(row, std::min(window_rows_, part.rows - row))));
      part_first += part.rows;
    }
    are_there_ = window_rows_ >= own_rows_;
  }

 private:
  template <class T>
  using Buffer = typename memory::Place<kSpace>::template Buffer<T>;
  Window brought_window(std::uint64_t first);
  Window with_norms(std::uint64_t first, const ConstMatrix& rows);
  void bring(std::uint64_t first, std::uint64_t count);

  const Parameters& parameters_;
  memory::Staging<kSpace>& staging_;
  const kernels::BasicScreenedRanks<kSpace>* norms_of_;
  std::size_t dim_;
  std::uint64_t own_rows_ = 0;
  std::uint64_t window_rows_;
  bool are_there_ = false;  // all of them, or their norms
  std::vector<ConstMatrix> lent_;
  Buffer<float> rows_;   // [window_rows, dim] or none
  Buffer<float> norms_;  // [window_rows] or none
};

extern template class ResidentRows<kernels::Space::kHost>;
extern template class ResidentRows<kernels::Space::kDevice>;

}  // namespace tessera::model

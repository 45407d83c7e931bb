// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/row_update.hpp"

#include <algorithm>

namespace tessera::train {

RowUpdate::RowUpdate(std::uint64_t arrival_capacity, std::size_t dim, memory::Pool& pool)
    : dim_(dim),
      groups_(arrival_capacity, pool),
      sums_(pool.allocate<float>(memory::Tag::kGradients, kBlockRows * dim)) {}

void RowUpdate::apply(const kernels::Backend& backend, const Optimiser& optimiser,
                      const exchange::RowsExchange::Arrived& arrived, const model::PartTable& table) {
  groups_.build(arrived.rows, table.rows.rows);
  for (std::size_t first = 0; first < groups_.size(); first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, groups_.size() - first);
    const kernels::Matrix sums{sums_.data(), count, dim_, dim_};
    backend.rows.sum_segments(arrived.gradients, groups_.offsets().subspan(first, count + 1), groups_.positions(),
                              sums);
    optimiser.apply(backend, sums, groups_.ids().subspan(first, count), table.rows, table.state);
  }
}

}  // namespace tessera::train

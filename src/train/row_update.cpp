// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/row_update.hpp"

#include "exchange/row_sort.hpp"

#include <algorithm>
#include <bit>

namespace tessera::train {

using exchange::kPositionBits;
using exchange::kPositionMask;
using memory::Tag;

Optimiser::Optimiser(const Job::Optimiser& job)
    : per_row(job.name == "rowwise_adagrad"),
      step{static_cast<float>(job.learning_rate), static_cast<float>(job.epsilon)} {}

void Optimiser::apply(const kernels::Backend& backend, kernels::ConstMatrix gradients,
                      std::span<const std::uint32_t> rows, kernels::Matrix table, kernels::Matrix state) const {
  if (per_row)
    backend.updates.rowwise_adagrad(step, gradients, rows, table, std::span(state.data, state.rows));
  else
    backend.updates.adagrad(step, gradients, rows, table, state);
}

RowUpdate::RowUpdate(std::uint64_t arrival_capacity, std::size_t dim, memory::Pool& pool)
    : dim_(dim),
      keys_(pool.allocate<std::uint64_t>(Tag::kBatch, arrival_capacity)),
      scratch_(pool.allocate<std::uint64_t>(Tag::kBatch, arrival_capacity)),
      offsets_(pool.allocate<std::uint32_t>(Tag::kBatch, arrival_capacity + 1)),
      positions_(pool.allocate<std::uint32_t>(Tag::kBatch, arrival_capacity)),
      rows_(pool.allocate<std::uint32_t>(Tag::kBatch, arrival_capacity)),
      sums_(pool.allocate<float>(Tag::kGradients, kBlockRows * dim)) {}

void RowUpdate::apply(const kernels::Backend& backend, const Optimiser& optimiser,
                      const exchange::RowsExchange::Arrived& arrived, const model::PartTable& table) {
  group(arrived.rows, table.rows.rows);
  for (std::size_t first = 0; first < distinct_; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, distinct_ - first);
    const kernels::Matrix sums{sums_.data(), count, dim_, dim_};
    backend.rows.sum_segments(arrived.gradients, offsets_.span().subspan(first, count + 1),
                              positions_.span().first(arrived.rows.size()), sums);
    optimiser.apply(backend, sums, rows_.span().subspan(first, count), table.rows, table.state);
  }
}

void RowUpdate::group(std::span<const std::uint32_t> rows, std::size_t table_rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) keys_[i] = (std::uint64_t{rows[i]} << kPositionBits) | i;
  const auto bits = static_cast<unsigned>(std::bit_width(std::max<std::size_t>(1, table_rows - 1)));
  exchange::radix_sort(keys_.span().first(rows.size()), scratch_.span(), kPositionBits, kPositionBits + bits);
  distinct_ = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::uint32_t>(keys_[i] >> kPositionBits);
    if (i == 0 || row != rows_[distinct_ - 1]) {
      offsets_[distinct_] = static_cast<std::uint32_t>(i);
      rows_[distinct_++] = row;
    }
    positions_[i] = static_cast<std::uint32_t>(keys_[i] & kPositionMask);
  }
  offsets_[distinct_] = static_cast<std::uint32_t>(rows.size());
}

}  // namespace tessera::train

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/row_windows.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::search {

using kernels::Space;
using memory::Tag;

namespace {

/// Numbers the rows of all parts one after the other. Calls use(rows, number of the first one) for the rows of each
/// part between `first` and first + count - 1.
template <class Matrix, class Use>
void for_each_overlap(const std::vector<Matrix>& parts, std::uint64_t first, std::uint64_t count, const Use& use) {
  std::uint64_t part_first = 0;
  for (const Matrix& part : parts) {
    const std::uint64_t begin = std::max(first, part_first);
    const std::uint64_t end = std::min(first + count, part_first + part.rows);
    if (begin < end) use(part.block(begin - part_first, end - begin), begin);
    part_first += part.rows;
  }
}

template <class Matrix>
std::uint64_t count_rows(const std::vector<Matrix>& parts) {
  std::uint64_t rows = 0;
  for (const Matrix& part : parts) rows += part.rows;
  return rows;
}

}  // namespace

template <Space kSpace>
RowWindows<kSpace>::RowWindows(const model::Parameters& parameters, execution::Staging<kSpace>& staging,
                               std::uint64_t window_rows, const kernels::BasicScreenedRanks<kSpace>* norms,
                               std::vector<ConstMatrix> borrowed)
    : staging_(staging),
      norms_of_(norms),
      dim_(parameters.dim()),
      window_rows_(window_rows),
      host_rows_(rows_of(parameters)),
      borrowed_(std::move(borrowed)),
      size_(borrowed_.empty() ? count_rows(host_rows_) : count_rows(borrowed_)) {
  TESSERA_ASSERT(window_rows > 0, "a window has a row");
  if (borrowed_.empty()) rows_ = staging.executor().template allocate<float>(Tag::kEvaluation, window_rows * dim_);
  if (norms != nullptr) norms_ = staging.executor().template allocate<float>(Tag::kEvaluation, window_rows);
}

template <Space kSpace>
std::uint64_t RowWindows<kSpace>::bytes(std::uint64_t window_rows, std::size_t dim, bool borrows, bool has_norms) {
  return (borrows ? 0 : execution::buffer_bytes<kSpace, float>(window_rows * dim)) +
         (has_norms ? execution::buffer_bytes<kSpace, float>(window_rows) : 0);
}

template <Space kSpace>
std::span<const NumberedRows<kSpace>> RowWindows<kSpace>::open(std::uint64_t first) {
  const std::uint64_t count = std::min(window_rows_, size_ - first);
  window_.clear();
  if (borrowed_.empty()) {
    if (!are_there_) upload(first, count);
    add(first, first, {rows_.data(), count, dim_, dim_});
  } else {
    for_each_overlap(borrowed_, first, count,
                     [&](const ConstMatrix& rows, std::uint64_t begin) { add(begin, first, rows); });
  }
  return window_;
}

template <Space kSpace>
void RowWindows<kSpace>::add(std::uint64_t first, std::uint64_t window_first, const ConstMatrix& rows) {
  if (norms_of_ == nullptr) return window_.push_back({first, rows, {}});
  const auto norms = norms_.span().subspan(first - window_first, rows.rows);
  if (!are_there_) norms_of_->norms(rows, norms);
  window_.push_back({first, rows, norms});
}

template <Space kSpace>
void RowWindows<kSpace>::upload(std::uint64_t first, std::uint64_t count) {
  for_each_overlap(host_rows_, first, count, [&](const kernels::ConstMatrix& rows, std::uint64_t begin) {
    TESSERA_ASSERT(rows.stride == dim_, "entity rows lie side by side");
    staging_.upload(std::span<const float>(rows.data, rows.rows * dim_),
                    rows_.span().subspan((begin - first) * dim_, rows.rows * dim_));
  });
}

std::vector<kernels::ConstMatrix> rows_of(const model::Parameters& parameters) {
  std::vector<kernels::ConstMatrix> rows;
  for (const model::PartTable& part : parameters.parts()) rows.emplace_back(part.rows);
  return rows;
}

template class RowWindows<Space::kHost>;
template class RowWindows<Space::kDevice>;

}  // namespace tessera::search

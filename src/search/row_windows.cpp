// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/row_windows.hpp"

#include "core/error.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <utility>

namespace tessera::search {

using kernels::Space;
using memory::Tag;

namespace {

constexpr std::size_t kHostRows = 256;                       // rows that a thread converts at once
constexpr std::size_t kPieceFloats = std::size_t{1} << 18U;  // numbers that are converted, then uploaded: 1 MiB

const kernels::ConstMatrix& rows_in(const kernels::ConstMatrix& matrix) { return matrix; }
const kernels::ConstDeviceMatrix& rows_in(const kernels::ConstDeviceMatrix& matrix) { return matrix; }
const kernels::StoredRows& rows_in(const model::PartTable& table) { return table.rows; }

/// Numbers the rows of all parts one after the other. Calls use(rows, number of the first one) for the rows of each
/// part between `first` and first + count - 1.
template <class Part, class Use>
void for_each_overlap(const std::vector<Part>& parts, std::uint64_t first, std::uint64_t count, const Use& use) {
  std::uint64_t part_first = 0;
  for (const Part& each : parts) {
    const auto& part = rows_in(each);
    const std::uint64_t begin = std::max(first, part_first);
    const std::uint64_t end = std::min(first + count, part_first + part.rows);
    if (begin < end) use(part.block(begin - part_first, end - begin), begin);
    part_first += part.rows;
  }
}

template <class Part>
std::uint64_t count_rows(const std::vector<Part>& parts) {
  std::uint64_t rows = 0;
  for (const Part& part : parts) rows += rows_in(part).rows;
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
      parameters_(parameters),
      borrowed_(std::move(borrowed)),
      size_(borrowed_.empty() ? count_rows(parameters.parts()) : count_rows(borrowed_)) {
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
    if (!are_there_) bring(first, count);
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
void RowWindows<kSpace>::bring(std::uint64_t first, std::uint64_t count) {
  for_each_overlap(parameters_.parts(), first, count, [&](const kernels::StoredRows& rows, std::uint64_t begin) {
    const auto to = rows_.span().subspan((begin - first) * dim_, rows.rows * dim_);
    if (rows.is_fp32())
      staging_.upload(std::span<const float>(rows.matrix().data, rows.rows * dim_), to);
    else
      convert(rows, to);
  });
}

template <Space kSpace>
void RowWindows<kSpace>::convert(const kernels::ConstStoredRows& rows, kernels::Vector<kSpace, float> to) {
  if constexpr (kSpace == Space::kHost) {
    staging_.executor().for_blocks(
        rows.rows, kHostRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
          model::decode(rows.block(first, count), {to.data() + first * dim_, count, dim_, dim_});
        });
  } else {
    const std::size_t at_once = std::max<std::size_t>(1, kPieceFloats / dim_);
    piece_.resize(std::min(at_once, std::max(rows.rows, piece_.size() / dim_)) * dim_);
    for (std::size_t first = 0; first < rows.rows; first += at_once) {
      const std::size_t count = std::min(at_once, rows.rows - first);
      model::decode(rows.block(first, count), {piece_.data(), count, dim_, dim_});
      staging_.upload(std::span<const float>(piece_.data(), count * dim_), to.subspan(first * dim_, count * dim_));
    }
  }
}

std::vector<kernels::ConstMatrix> rows_of(const model::Parameters& parameters) {
  std::vector<kernels::ConstMatrix> rows;
  for (const model::PartTable& part : parameters.parts())
    if (part.rows.is_fp32()) rows.emplace_back(part.rows.matrix());
  return rows;
}

template class RowWindows<Space::kHost>;
template class RowWindows<Space::kDevice>;

}  // namespace tessera::search

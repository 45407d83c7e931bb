// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/resident_rows.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace tessera::model {

using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentRows<kSpace>::ResidentRows(const Parameters& parameters, memory::Place<kSpace>& place,
                                   memory::Staging<kSpace>& staging, std::uint64_t window_rows,
                                   const kernels::BasicScreenedRanks<kSpace>* norms, std::vector<ConstMatrix> lent)
    : parameters_(parameters),
      staging_(staging),
      norms_of_(norms),
      dim_(parameters.dim()),
      window_rows_(window_rows),
      lent_(std::move(lent)) {
  TESSERA_ASSERT(window_rows > 0, "a window has a row");
  for (const PartTable& part : parameters.parts()) own_rows_ += part.rows.rows;
  std::uint64_t lent_rows = 0;
  for (const ConstMatrix& part : lent_) lent_rows += part.rows;
  TESSERA_ASSERT(lent_.empty() || lent_rows == own_rows_, "the rows that are lent are all rows");
  if (lent_.empty()) rows_ = place.template allocate<float>(Tag::kEvaluation, window_rows * dim_);
  if (norms != nullptr) norms_ = place.template allocate<float>(Tag::kEvaluation, window_rows);
}

template <Space kSpace>
typename ResidentRows<kSpace>::Window ResidentRows<kSpace>::brought_window(std::uint64_t first) {
  const std::uint64_t count = std::min(window_rows_, own_rows_ - first);
  if (!are_there_) bring(first, count);
  return with_norms(first, {rows_.data(), count, dim_, dim_});
}

template <Space kSpace>
typename ResidentRows<kSpace>::Window ResidentRows<kSpace>::with_norms(std::uint64_t first, const ConstMatrix& rows) {
  if (norms_of_ == nullptr) return {first, rows, {}};
  const auto norms = norms_.span().subspan(window_rows_ >= own_rows_ ? first : 0, rows.rows);
  if (!are_there_) norms_of_->norms(rows, norms);
  return {first, rows, norms};
}

template <Space kSpace>
void ResidentRows<kSpace>::bring(std::uint64_t first, std::uint64_t count) {
  std::uint64_t part_first = 0;
  for (const PartTable& part : parameters_.parts()) {
    const std::uint64_t begin = std::max(first, part_first);
    const std::uint64_t end = std::min(first + count, part_first + part.rows.rows);
    if (begin < end) {
      TESSERA_ASSERT(part.rows.stride == dim_, "entity rows lie side by side");
      const std::size_t values = (end - begin) * dim_;
      staging_.bring(std::span<const float>(part.rows.row(begin - part_first), values),
                     rows_.span().subspan((begin - first) * dim_, values));
    }
    part_first += part.rows.rows;
  }
}

template class ResidentRows<Space::kHost>;
template class ResidentRows<Space::kDevice>;

}  // namespace tessera::model

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/resident_rows.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <span>

namespace tessera::model {

using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentRows<kSpace>::ResidentRows(const Parameters& parameters, memory::Place<kSpace>& place,
                                   memory::Staging<kSpace>& staging, std::uint64_t window_rows,
                                   const kernels::BasicScreenedRanks<kSpace>* norms)
    : parameters_(parameters),
      staging_(staging),
      norms_of_(norms),
      dim_(parameters.dim()),
      window_rows_(window_rows),
      rows_(place.template allocate<float>(Tag::kEvaluation, window_rows * dim_)) {
  TESSERA_ASSERT(window_rows > 0, "a window has a row");
  for (const PartTable& part : parameters.parts()) own_rows_ += part.rows.rows;
  if (norms != nullptr) norms_ = place.template allocate<float>(Tag::kEvaluation, window_rows);
}

template <Space kSpace>
typename ResidentRows<kSpace>::Window ResidentRows<kSpace>::window(std::uint64_t first) {
  const std::uint64_t count = std::min(window_rows_, own_rows_ - first);
  const kernels::BasicConstMatrix<kSpace> rows{rows_.data(), count, dim_, dim_};
  if (!are_there_) {
    bring(first, count);
    if (norms_of_ != nullptr) norms_of_->norms(rows, norms_.span().subspan(0, count));
    are_there_ = window_rows_ >= own_rows_;
  }
  if (norms_of_ == nullptr) return {first, rows, {}};
  return {first, rows, norms_.span().subspan(0, count)};
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

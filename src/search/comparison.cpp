// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/comparison.hpp"

#include "core/error.hpp"

#include <utility>

namespace tessera::search {

using kernels::ScreeningCost;
using kernels::Similarity;
using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;  // of what is uploaded: two of them are pinned

}  // namespace

template <Space kSpace>
Comparison<kSpace>::Comparison(const Setup& setup, std::unique_ptr<Executor> executor, const Sizes& sizes,
                               const Plan& plan, std::vector<ConstMatrix> borrowed)
    : executor_(std::move(executor)),
      plan_(plan),
      dim_(sizes.dim),
      block_rows_(plan.tile_rows > 0 ? plan.tile_rows : cached_rows(sizes.dim)),
      similarity_(setup.parameters.scorer().similarity()),
      screening_(sizes.screens() ? executor_->kernels().screening : kernels::BasicScreening<kSpace>{}),
      staging_(*executor_, setup.host.pool(), Tag::kEvaluation, kSlotBytes),
      rows_(setup.parameters, *executor_, staging_, plan.window_rows, screening_.ranks, std::move(borrowed)),
      queries_(*executor_, Tag::kEvaluation, plan.queries * dim_),
      host_cost_(setup.host.pool(), Tag::kEvaluation, 1) {
  TESSERA_ASSERT(plan.queries > 0, "comparing needs memory for a query");
  TESSERA_ASSERT(sizes.dim == setup.parameters.dim() && sizes.rows == rows_.size(), "the sizes are of the model");
  TESSERA_ASSERT(sizes.workers == executor_->workers(), "the sizes are of the executor");
  if (plan.tile_rows > 0)
    scores_ = executor_->template allocate<float>(Tag::kEvaluation, sizes.workers * plan.queries * plan.tile_rows);
  if (!sizes.screens()) return;
  TESSERA_ASSERT(screens() && similarity_ == Similarity::kDot && sizes.workers == 1 && plan.tile_rows > 0,
                 "approximate dot products are screened, in tiles, by one worker");
  error_factor_ = kernels::score_error_factor(screening_.operand_roundoff, dim_);
  query_norms_ = executor_->template allocate<float>(Tag::kEvaluation, plan.queries);
  screening_cost_ = executor_->template allocate<ScreeningCost>(Tag::kEvaluation, 1);
}

template <Space kSpace>
std::uint64_t Comparison<kSpace>::bytes(const Sizes& sizes, const Plan& plan) {
  using execution::buffer_bytes;
  std::uint64_t bytes = RowWindows<kSpace>::bytes(plan.window_rows, sizes.dim, sizes.borrows, sizes.screens()) +
                        execution::ExecutorCopy<kSpace, float>::bytes(plan.queries * sizes.dim);
  if (plan.tile_rows > 0) bytes += buffer_bytes<kSpace, float>(sizes.workers * plan.queries * plan.tile_rows);
  if (sizes.screens()) bytes += buffer_bytes<kSpace, float>(plan.queries) + buffer_bytes<kSpace, ScreeningCost>(1);
  return bytes;
}

template <Space kSpace>
void Comparison<kSpace>::begin() {
  rows_.forget();
  cost_ = {};
  if (screens()) executor_->clear(screening_cost_.span());
}

template <Space kSpace>
typename Comparison<kSpace>::Queries Comparison<kSpace>::upload(const kernels::ConstMatrix& vectors) {
  TESSERA_ASSERT(vectors.stride == dim_ && vectors.rows <= plan_.queries, "query vectors lie side by side");
  const auto floats = queries_.upload(std::span<const float>(vectors.data, vectors.rows * dim_), staging_);
  const Queries queries{{floats.data(), vectors.rows, dim_, dim_}, {}};
  if (!screens()) return queries;
  const auto norms = query_norms_.span().subspan(0, vectors.rows);
  screening_.ranks->norms(queries.vectors, norms);
  return {queries.vectors, norms};
}

template <Space kSpace>
kernels::BasicMatrix<kSpace> Comparison<kSpace>::score(const Queries& queries, const Rows& tile, std::size_t worker) {
  const kernels::BasicMatrix<kSpace> scores{scores_.data() + worker * plan_.queries * plan_.tile_rows,
                                            queries.vectors.rows, tile.rows.rows, plan_.tile_rows};
  executor_->kernels().scores.all_pairs(similarity_, queries.vectors, tile.rows, scores);
  return scores;
}

template <Space kSpace>
void Comparison<kSpace>::finish() {
  if (!screens()) return executor_->synchronize();
  const std::span<const ScreeningCost> cost = host_cost_.download(screening_cost_.span(), *executor_);
  executor_->synchronize();
  cost_.rescored = cost[0].rescored;
  cost_.recounted = cost[0].recounted;
}

template class Comparison<Space::kHost>;
template class Comparison<Space::kDevice>;

}  // namespace tessera::search

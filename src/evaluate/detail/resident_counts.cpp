// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/resident_counts.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::evaluate::detail {

using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;  // of what is brought: two of them are pinned

}  // namespace

template <Space kSpace>
ResidentCounts<kSpace>::ResidentCounts(const model::Setup& setup, memory::Place<kSpace>& place,
                                       const CountKernels<kSpace>& kernels, const CountsPlan& plan,
                                       std::uint64_t capacity, std::vector<kernels::BasicConstMatrix<kSpace>> lent_rows)
    : setup_(setup),
      place_(place),
      kernels_(kernels),
      plan_(plan),
      dim_(setup.parameters.dim()),
      capacity_(capacity),
      staging_(place, setup.pool, Tag::kEvaluation, kSlotBytes),
      rows_(setup.parameters, place, staging_, plan.window_rows, kernels.approximate ? kernels.screened : nullptr,
            std::move(lent_rows)),
      queries_(place.template allocate<float>(Tag::kEvaluation, plan.queries * dim_)),
      target_scores_(place.template allocate<float>(Tag::kEvaluation, plan.queries)),
      n_greater_(place.template allocate<std::uint32_t>(Tag::kEvaluation, capacity)),
      n_equal_(place.template allocate<std::uint32_t>(Tag::kEvaluation, capacity)),
      host_counts_(setup.pool.allocate<std::uint32_t>(Tag::kEvaluation, 2 * capacity)) {
  TESSERA_ASSERT(plan.queries > 0, "counting needs memory for a query");
  TESSERA_ASSERT(!screens() || (plan.tile_rows > 0 && kernels.screened != nullptr &&
                                setup.parameters.scorer().similarity() == kernels::Similarity::kDot),
                 "only dot products are screened, in tiles");
  if (!screens()) return;
  error_factor_ = kernels::score_error_factor(kernels.operand_roundoff, dim_);
  scores_ = place.template allocate<float>(Tag::kEvaluation, plan.queries * plan.tile_rows);
  query_norms_ = place.template allocate<float>(Tag::kEvaluation, plan.queries);
  undecided_queries_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, undecided_pairs(plan));
  undecided_rows_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, undecided_pairs(plan));
  decided_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, plan.queries);
  undecided_count_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, 1);
  screen_effort_ = place.template allocate<kernels::ScreenEffort>(Tag::kEvaluation, 1);
}

template <Space kSpace>
void ResidentCounts<kSpace>::begin() {
  effort_ = {};
  rows_.forget();
  if (!screens()) return;
  host_effort_ = {};
  place_.bring(std::span<const kernels::ScreenEffort>(host_effort_), screen_effort_.span());
  place_.finish();
}

template <Space kSpace>
void ResidentCounts<kSpace>::start(const QueryBlock& block, std::span<const float> target_scores) {
  TESSERA_ASSERT(block.size() <= capacity_, "a block above the size that counting was made for");
  block_size_ = block.size();
  std::fill(host_counts_.span().begin(), host_counts_.span().end(), 0);
  place_.bring(std::span<const std::uint32_t>(host_counts_.span().first(block_size_)),
               n_greater_.span().subspan(0, block_size_));
  place_.bring(std::span<const std::uint32_t>(host_counts_.span().first(block_size_)),
               n_equal_.span().subspan(0, block_size_));
  rows_.for_each([&](const Window& window) {
    for (std::size_t query = 0; query < block_size_; query += plan_.queries) {
      const std::size_t count = std::min<std::size_t>(plan_.queries, block_size_ - query);
      bring_queries(block, target_scores, query, count);
      count_window(query, count, window);
    }
  });
  if (screens()) effort_.screened += block_size_ * rows_.size();
}

template <Space kSpace>
void ResidentCounts<kSpace>::finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) {
  const auto greater = host_counts_.span().first(block_size_);
  const auto equal = host_counts_.span().subspan(capacity_, block_size_);
  place_.fetch(Vector<const std::uint32_t>(n_greater_.span().subspan(0, block_size_)), greater);
  place_.fetch(Vector<const std::uint32_t>(n_equal_.span().subspan(0, block_size_)), equal);
  if (screens())
    place_.fetch(Vector<const kernels::ScreenEffort>(screen_effort_.span()),
                 std::span<kernels::ScreenEffort>(host_effort_));
  place_.finish();
  for (std::size_t i = 0; i < block_size_; ++i) {
    n_greater[i] += greater[i];
    n_equal[i] += equal[i];
  }
  effort_.rescored = host_effort_[0].rescored;
  effort_.recounted = host_effort_[0].recounted;
}

template <Space kSpace>
void ResidentCounts<kSpace>::bring_queries(const QueryBlock& block, std::span<const float> target_scores,
                                           std::size_t first, std::size_t count) {
  const kernels::ConstMatrix vectors = block.vectors();
  TESSERA_ASSERT(vectors.stride == dim_, "query vectors lie side by side");
  staging_.bring(std::span<const float>(vectors.row(first), count * dim_), queries_.span().subspan(0, count * dim_));
  staging_.bring(target_scores.subspan(first, count), target_scores_.span().subspan(0, count));
  if (screens()) kernels_.screened->norms({queries_.data(), count, dim_, dim_}, query_norms_.span().subspan(0, count));
}

template <Space kSpace>
void ResidentCounts<kSpace>::count_window(std::size_t first_query, std::size_t queries, const Window& window) {
  const ConstMatrix vectors{queries_.data(), queries, dim_, dim_};
  const Vector<const float> targets = target_scores_.span().subspan(0, queries);
  const auto n_greater = n_greater_.span().subspan(first_query, queries);
  const auto n_equal = n_equal_.span().subspan(first_query, queries);
  if (!screens())
    return kernels_.exact->count(setup_.parameters.scorer().similarity(), vectors, window.rows, targets, n_greater,
                                 n_equal);
  for (std::size_t first = 0; first < window.rows.rows; first += plan_.tile_rows) {
    const std::size_t count = std::min<std::size_t>(plan_.tile_rows, window.rows.rows - first);
    count_screened({vectors, window.rows.block(first, count), targets}, window.norms.subspan(first, count),
                   {n_greater, n_equal, screen_effort_.span()});
  }
}

template <Space kSpace>
void ResidentCounts<kSpace>::count_screened(const kernels::BasicRankTile<kSpace>& tile, Vector<const float> row_norms,
                                            const kernels::BasicScreenedCounts<kSpace>& counts) {
  const std::size_t queries = tile.queries.rows;
  const kernels::BasicMatrix<kSpace> scores{scores_.data(), queries, tile.rows.rows, plan_.tile_rows};
  kernels_.approximate->all_pairs(kernels::Similarity::kDot, tile.queries, tile.rows, scores);
  kernels_.screened->count(
      tile, {scores, query_norms_.span().subspan(0, queries), row_norms, error_factor_},
      {undecided_queries_.span(), undecided_rows_.span(), decided_.span(), undecided_count_.span()}, counts);
}

template class ResidentCounts<Space::kHost>;
template class ResidentCounts<Space::kDevice>;

}  // namespace tessera::evaluate::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/comparison.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

#include <utility>

namespace tessera::search {

using kernels::ScreeningCost;
using kernels::Similarity;
using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;  // bytes of a pinned slot for uploads; there are two

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
      rows_(setup.parameters, staging_, plan.window_rows, screening_.ranks, std::move(borrowed)) {
  TESSERA_ASSERT(plan.queries > 0, "comparing needs memory for a query");
  TESSERA_ASSERT(sizes.dim == setup.parameters.dim() && sizes.rows == rows_.size(), "the sizes are of the model");
  TESSERA_ASSERT(sizes.workers == executor_->workers(), "the sizes are of the executor");
  const std::uint64_t block = sizes.block_queries;
  if constexpr (kCopies) query_copies_ = executor_->template allocate<float>(Tag::kEvaluation, block * dim_);
  if (plan.tile_rows > 0)
    scores_ = executor_->template allocate<float>(Tag::kEvaluation, sizes.workers * plan.queries * plan.tile_rows);
  if (!sizes.screens()) return;
  TESSERA_ASSERT(screens() && similarity_ == Similarity::kDot && sizes.workers == 1 && plan.tile_rows > 0,
                 "approximate dot products are screened, in tiles, by one worker");
  error_factor_ = kernels::score_error_factor(screening_.operand_roundoff, dim_);
  query_norms_ = executor_->template allocate<float>(Tag::kEvaluation, block);
  screening_cost_ = executor_->template allocate<ScreeningCost>(Tag::kEvaluation, 1);
}

template <Space kSpace>
std::uint64_t Comparison<kSpace>::bytes(const Sizes& sizes, const Plan& plan) {
  using execution::buffer_bytes;
  const std::uint64_t block = sizes.block_queries;
  std::uint64_t bytes = RowWindows<kSpace>::bytes(plan.window_rows, sizes.dim, sizes.borrows, sizes.screens());
  if (kCopies) bytes += buffer_bytes<kSpace, float>(block * sizes.dim);
  if (plan.tile_rows > 0) bytes += buffer_bytes<kSpace, float>(sizes.workers * plan.queries * plan.tile_rows);
  if (sizes.screens()) bytes += buffer_bytes<kSpace, float>(block) + buffer_bytes<kSpace, ScreeningCost>(1);
  return bytes;
}

template <Space kSpace>
void Comparison<kSpace>::compare_by(Similarity similarity) {
  TESSERA_ASSERT(!screens(), "only dot products of the model are screened");
  similarity_ = similarity;
}

template <Space kSpace>
void Comparison<kSpace>::begin() {
  rows_.forget();
  cost_ = {};
  if (screens()) executor_->clear(screening_cost_.span());
}

template <Space kSpace>
void Comparison<kSpace>::set_queries(const kernels::ConstMatrix& vectors) {
  TESSERA_ASSERT(vectors.stride == dim_, "query vectors lie side by side");
  const auto floats = upload(std::span<const float>(vectors.data, vectors.rows * dim_), query_copies_);
  queries_ = {floats.data(), vectors.rows, dim_, dim_};
  if (screens()) screening_.ranks->norms(queries_, query_norms_.span().subspan(0, vectors.rows));
}

template <Space kSpace>
typename Comparison<kSpace>::Queries Comparison<kSpace>::queries(std::size_t first, std::size_t count) const {
  const ConstMatrix vectors = queries_.block(first, count);
  if (!screens()) return {first, vectors, {}};
  return {first, vectors, query_norms_.span().subspan(first, count)};
}

template <Space kSpace>
kernels::Vector<kSpace, const float> Comparison<kSpace>::upload(std::span<const float> from, Buffer<float>& copy) {
  if constexpr (!kCopies) {
    return from;
  } else {
    const Vector<float> to = copy.span().subspan(0, from.size());
    staging_.upload(from, to);
    return to;
  }
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
  if (screens())
    executor_->download(Vector<const ScreeningCost>(screening_cost_.span()), std::span<ScreeningCost>(host_cost_));
  executor_->synchronize();
  cost_.rescored = host_cost_[0].rescored;
  cost_.recounted = host_cost_[0].recounted;
}

void log_cost(comm::Communicator& comm, const Cost& own) {
  std::array<std::int64_t, 3> cost = {static_cast<std::int64_t>(own.screened), static_cast<std::int64_t>(own.rescored),
                                      static_cast<std::int64_t>(own.recounted)};
  comm.all_reduce(cost, comm::Reduction::kSum);
  if (!comm.is_root() || cost[0] == 0) return;
  log::info("screened {} pairs of query and entity; {} ({:.3g} %) were scored again one by one, {} in tiles",
            text::with_thousands(static_cast<std::uint64_t>(cost[0])),
            text::with_thousands(static_cast<std::uint64_t>(cost[1])),
            100 * static_cast<double>(cost[1]) / static_cast<double>(cost[0]),
            text::with_thousands(static_cast<std::uint64_t>(cost[2])));
}

template class Comparison<Space::kHost>;
template class Comparison<Space::kDevice>;

}  // namespace tessera::search

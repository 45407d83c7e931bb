// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/resident_best.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace tessera::predict::detail {

using kernels::BestKey;
using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;  // of what is brought: two of them are pinned

}  // namespace

template <Space kSpace>
ResidentBest<kSpace>::ResidentBest(const model::Setup& setup, const SearchNeeds& needs, memory::Place<kSpace>& place,
                                   const SearchKernels<kSpace>& kernels, const SearchPlan& plan)
    : setup_(setup),
      needs_(needs),
      place_(place),
      kernels_(kernels),
      plan_(plan),
      dim_(setup.parameters.dim()),
      staging_(place, setup.pool, Tag::kEvaluation, kSlotBytes),
      rows_(setup.parameters, place, staging_, plan.pieces.window_rows, kernels.screened),
      queries_(place.template allocate<float>(Tag::kEvaluation, plan.pieces.queries * dim_)),
      scores_(place.template allocate<float>(Tag::kEvaluation, plan.pieces.queries * plan.pieces.tile_rows)),
      host_keys_(setup.pool.allocate<BestKey>(Tag::kEvaluation, plan.keys)) {
  TESSERA_ASSERT(plan.pieces.queries > 0 && plan.pieces.tile_rows > 0 && plan.keys > 0,
                 "searching needs memory for a query, a row and an answer");
  TESSERA_ASSERT(!screens() || setup.parameters.scorer().similarity() == kernels::Similarity::kDot,
                 "only dot products are screened");
  if (rows_.size() > kernels::kBestRows)
    fail(ExitStatus::kUsage, "{} entities of one rank are more than a device searches (2^31); use more ranks",
         rows_.size());
  for (auto& keys : keys_) keys = place.template allocate<BestKey>(Tag::kEvaluation, plan.keys);
  if (!screens()) return;
  error_factor_ = kernels::score_error_factor(kernels.operand_roundoff, dim_);
  query_norms_ = place.template allocate<float>(Tag::kEvaluation, plan.pieces.queries);
  listed_ = place.template allocate<BestKey>(Tag::kEvaluation, plan.listed);
  counts_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries);
  bars_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries);
  overflows_ = place.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries + 1);
  screen_effort_ = place.template allocate<kernels::ScreenEffort>(Tag::kEvaluation, 1);
  place_.bring(std::span<const kernels::ScreenEffort>(host_effort_), screen_effort_.span());
  place_.finish();
}

template <Space kSpace>
void ResidentBest<kSpace>::search(const SearchBlock& block, std::span<Candidate> found,
                                  std::span<std::uint32_t> sizes) {
  for (std::size_t first = 0; first < block.queries.size();) {
    const Batch batch = next_batch(block, first);
    find_keys(block, batch);
    fetch_keys(batch);
    parallel_for(batch.count, setup_.threads, [&](std::size_t i) {
      const std::size_t query = first + i;
      sizes[query] = take_best(block.queries[query], host_keys_.span().subspan(i * batch.keys, batch.keys),
                               found.subspan(query * needs_.k, needs_.k));
    });
    first += batch.count;
  }
}

/// At most so many of the best rows have to be looked at to find k that are wanted.
template <Space kSpace>
std::uint64_t ResidentBest<kSpace>::keys_wanted(const SearchBlock& block, std::size_t query) const {
  const std::uint64_t known = needs_.omit_known ? static_cast<std::uint64_t>(block.known_counts[query]) : 0;
  return std::clamp<std::uint64_t>(needs_.k + known, 1, std::max<std::uint64_t>(1, rows_.size()));
}

template <Space kSpace>
typename ResidentBest<kSpace>::Batch ResidentBest<kSpace>::next_batch(const SearchBlock& block,
                                                                      std::size_t first) const {
  Batch batch{first, 1, keys_wanted(block, first)};
  if (batch.keys > plan_.keys)
    fail(
        ExitStatus::kOverBudget,
        "leaving out the {} known answers of a query takes room for as many on the device, there is room for {}; raise "
        "run.device_memory, or answer with run.device=cpu",
        text::with_thousands(static_cast<std::uint64_t>(block.known_counts[first])), text::with_thousands(plan_.keys));
  for (std::size_t next = first + 1; next < block.queries.size() && batch.count < plan_.pieces.queries; ++next) {
    const std::uint64_t keys = std::max(batch.keys, keys_wanted(block, next));
    if ((batch.count + 1) * keys > plan_.keys) break;
    batch.keys = keys;
    ++batch.count;
  }
  return batch;
}

template <Space kSpace>
void ResidentBest<kSpace>::find_keys(const SearchBlock& block, const Batch& batch) {
  TESSERA_ASSERT(block.vectors.stride == dim_, "query vectors lie side by side");
  staging_.bring(std::span<const float>(block.vectors.row(batch.first), batch.count * dim_),
                 queries_.span().subspan(0, batch.count * dim_));
  if (screens())
    kernels_.screened->norms({queries_.data(), batch.count, dim_, dim_}, query_norms_.span().subspan(0, batch.count));
  kernels_.best->clear(keys_[0].span().subspan(0, batch.count * batch.keys));
  rows_.for_each([&](const Window& window) { scan(batch, window); });
  if (screens()) effort_.screened += batch.count * rows_.size();
}

template <Space kSpace>
void ResidentBest<kSpace>::scan(const Batch& batch, const Window& window) {
  const std::uint64_t tile_rows = plan_.pieces.tile_rows;
  for (std::uint64_t first = 0; first < window.rows.rows; first += tile_rows) {
    const std::uint64_t count = std::min<std::uint64_t>(tile_rows, window.rows.rows - first);
    merge(batch, window.rows.block(first, count), screens() ? window.norms.subspan(first, count) : window.norms,
          static_cast<std::uint32_t>(window.first + first));
    std::swap(keys_[0], keys_[1]);
  }
}

template <Space kSpace>
void ResidentBest<kSpace>::merge(const Batch& batch, const ConstMatrix& rows, Vector<const float> row_norms,
                                 std::uint32_t first_row) {
  const ConstMatrix vectors{queries_.data(), batch.count, dim_, dim_};
  const kernels::BasicMatrix<kSpace> scores{scores_.data(), batch.count, rows.rows, plan_.pieces.tile_rows};
  const std::uint64_t keys = batch.count * batch.keys;
  const kernels::BasicBest<kSpace> best{keys_[0].span().subspan(0, keys), keys_[1].span().subspan(0, keys), batch.keys};
  kernels_.scores->all_pairs(setup_.parameters.scorer().similarity(), vectors, rows, scores);
  if (!screens()) return kernels_.best->merge(scores, first_row, best);
  kernels_.best->merge_screened({vectors, rows, first_row},
                                {scores, query_norms_.span().subspan(0, batch.count), row_norms, error_factor_},
                                {listed_.span().subspan(0, listed_.size() / batch.count * batch.count), counts_.span(),
                                 bars_.span(), overflows_.span()},
                                best, screen_effort_.span());
}

template <Space kSpace>
void ResidentBest<kSpace>::fetch_keys(const Batch& batch) {
  const std::uint64_t keys = batch.count * batch.keys;
  place_.fetch(Vector<const BestKey>(keys_[0].span().subspan(0, keys)), host_keys_.span().first(keys));
  if (screens())
    place_.fetch(Vector<const kernels::ScreenEffort>(screen_effort_.span()),
                 std::span<kernels::ScreenEffort>(host_effort_));
  place_.finish();
  effort_.rescored = host_effort_[0].rescored;
  effort_.recounted = host_effort_[0].recounted;
}

template <Space kSpace>
std::uint32_t ResidentBest<kSpace>::take_best(const SearchQuery& query, std::span<BestKey> keys,
                                              std::span<Candidate> found) const {
  std::sort(keys.begin(), keys.end(), std::greater<>());
  std::uint32_t size = 0;
  for (const BestKey key : keys) {
    if (key == 0 || size == found.size()) break;
    const EntityId entity(needs_.rows.first().value() + kernels::row_of(key));
    if (needs_.omit_known && needs_.known.find(query, entity) != KnownIn::kNowhere) continue;
    found[size++] = {entity, kernels::score_of(key)};
  }
  return size;
}

template class ResidentBest<Space::kHost>;
template class ResidentBest<Space::kDevice>;

}  // namespace tessera::predict::detail

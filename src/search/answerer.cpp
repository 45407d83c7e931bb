// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/answerer.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace tessera::search {

using execution::buffer_bytes;
using kernels::BestKey;
using kernels::Products;
using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kMoreKeys = 1024;  // more keys for a query whose known answers are kept to the end
constexpr std::uint64_t kMostKeys = std::uint64_t{1} << 24U;  // beyond what k asks for: twice 128 MiB

/// So many, of `rows`, are there to be found.
std::uint64_t keys_of(std::uint64_t wished, std::uint64_t rows) {
  return std::clamp<std::uint64_t>(wished, 1, std::max<std::uint64_t>(1, rows));
}

/// A query whose list overflows is scored again by chains, which are no slower for more than a sixteenth of a tile.
AnswerPlan whole(const Plan& pieces, const AnswerSizes& of) {
  const std::uint64_t keys = pieces.queries * keys_of(of.keeps_known ? of.k + kMoreKeys : of.k, of.sizes.rows);
  return {pieces, keys, of.sizes.screens() ? keys + pieces.queries * ((pieces.tile_rows + 15) / 16) : 0};
}

std::uint64_t device_bytes(const AnswerSizes& of, const AnswerPlan& plan) {
  return AnswererOn<Space::kDevice>::bytes(of, plan) + executor_bytes(of.sizes, plan.pieces);
}

/// Rows that are no answers: no candidates, or known to the graph.
class AnswerFilter final : public kernels::RowFilter {
 public:
  AnswerFilter(const AnswerNeeds& needs, std::span<const Query> queries) : needs_(needs), queries_(queries) {}
  [[nodiscard]] bool omits(std::size_t query, std::uint32_t row) const override {
    if (needs_.among != nullptr && !needs_.among->has(row)) return true;
    return needs_.omit_known &&
           needs_.known.find_own(queries_[query], EntityId(needs_.rows.first().value() + row)).has_value();
  }

 private:
  const AnswerNeeds& needs_;
  std::span<const Query> queries_;
};

/// The rows of all parts where the host reads them in place; none where they are uploaded.
template <Space kSpace>
std::vector<kernels::BasicConstMatrix<kSpace>> borrowed_rows(const Setup& setup, const AnswerSizes& sizes) {
  if constexpr (kSpace == Space::kHost)
    if (sizes.sizes.borrows) return rows_of(setup.parameters);
  return {};
}

}  // namespace

template <Space kSpace>
AnswererOn<kSpace>::AnswererOn(const Setup& setup, const AnswerNeeds& needs, std::unique_ptr<Executor> executor,
                               const AnswerSizes& sizes, const AnswerPlan& plan)
    : setup_(setup),
      needs_(needs),
      sizes_(sizes),
      plan_(plan),
      comparison_(setup, std::move(executor), sizes.sizes, plan.pieces, borrowed_rows<kSpace>(setup, sizes)) {
  Executor& memory = comparison_.executor();
  TESSERA_ASSERT(plan.pieces.tile_rows > 0 && plan.keys > 0, "answering needs memory for a row and an answer");
  TESSERA_ASSERT(
      sizes.is_in_place == memory.kernels().best_rows.filters() && (sizes.is_in_place || sizes.sizes.workers == 1),
      "kernels that do not merge in place are called by one worker");
  TESSERA_ASSERT(needs.among == nullptr || memory.kernels().best_rows.filters(),
                 "rows are candidates where kernels ask");
  if (comparison_.row_count() > kernels::kBestRows)
    fail(ExitStatus::kUsage, "{} entities of one rank are more than are searched (2^31); use more ranks",
         comparison_.row_count());
  keys_[0] = memory.template allocate<BestKey>(Tag::kEvaluation, sizes.sizes.workers * plan.keys);
  if (!sizes.is_in_place) keys_[1] = memory.template allocate<BestKey>(Tag::kEvaluation, plan.keys);
  if constexpr (Comparison<kSpace>::kCopies)
    host_keys_ = setup.host.template allocate<BestKey>(Tag::kEvaluation, plan.keys);
  comparison_.begin();
  if (!comparison_.screens()) return;
  listed_ = memory.template allocate<BestKey>(Tag::kEvaluation, plan.listed);
  counts_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries);
  bars_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries);
  overflows_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, plan.pieces.queries + 1);
}

template <Space kSpace>
std::uint64_t AnswererOn<kSpace>::bytes(const AnswerSizes& sizes, const AnswerPlan& plan) {
  const std::uint64_t exact = Comparison<kSpace>::bytes(sizes.sizes, plan.pieces) +
                              buffer_bytes<kSpace, BestKey>(sizes.sizes.workers * plan.keys) +
                              (sizes.is_in_place ? 0 : buffer_bytes<kSpace, BestKey>(plan.keys));
  if (!sizes.sizes.screens()) return exact;
  return exact + buffer_bytes<kSpace, BestKey>(plan.listed) +
         2 * buffer_bytes<kSpace, std::uint32_t>(plan.pieces.queries) +
         buffer_bytes<kSpace, std::uint32_t>(plan.pieces.queries + 1);
}

template <Space kSpace>
void AnswererOn<kSpace>::search(const AnswerBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) {
  comparison_.set_queries(block.vectors);
  for (std::size_t first = 0; first < block.queries.size();) {
    const Batch batch = next_batch(block, first);
    const std::span<BestKey> keys = find_keys(block, batch);
    parallel_for(batch.count, setup_.host.workers(), [&](std::size_t i) {
      const std::size_t query = first + i;
      sizes[query] =
          take_best(block.queries[query], merge_workers(keys, batch, i), found.subspan(query * needs_.k, needs_.k));
    });
    first += batch.count;
  }
}

/// At most so many of the best rows have to be looked at to find k that are wanted.
template <Space kSpace>
std::uint64_t AnswererOn<kSpace>::keys_wanted(const AnswerBlock& block, std::size_t query) const {
  const std::uint64_t known = sizes_.keeps_known ? static_cast<std::uint64_t>(block.known_counts[query]) : 0;
  return keys_of(needs_.k + known, comparison_.row_count());
}

template <Space kSpace>
typename AnswererOn<kSpace>::Batch AnswererOn<kSpace>::next_batch(const AnswerBlock& block, std::size_t first) const {
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

/// The best rows that each worker finds, by worker; those of a worker begin at multiples of plan_.keys.
template <Space kSpace>
std::span<BestKey> AnswererOn<kSpace>::find_keys(const AnswerBlock& block, const Batch& batch) {
  const Executor& executor = comparison_.executor();
  const AnswerFilter filter(needs_, block.queries.subspan(batch.first, batch.count));
  const bool asks = (needs_.omit_known && !sizes_.keeps_known) || needs_.among != nullptr;
  const auto keys_of_all = [&] {
    return keys_[0].span().subspan(0, (sizes_.sizes.workers - 1) * plan_.keys + batch.size());
  };
  executor.kernels().best_rows.clear(keys_of_all());
  comparison_.for_each_tile(batch.first, batch.count,
                            [&](const Queries& queries, const Rows& tile, std::size_t worker) {
                              merge(queries, tile, worker, batch.keys, asks ? &filter : nullptr);
                            });
  const std::span<BestKey> keys = comparison_.download(keys_of_all(), host_keys_);
  comparison_.finish();
  return keys;
}

template <Space kSpace>
void AnswererOn<kSpace>::merge(const Queries& queries, const Rows& tile, std::size_t worker, std::uint64_t k,
                               const kernels::RowFilter* filter) {
  const kernels::BasicBestRows<kSpace>& best_rows = comparison_.executor().kernels().best_rows;
  const std::size_t n = queries.vectors.rows;
  const auto keys_in = [&](Buffer<BestKey>& keys) { return keys.span().subspan(worker * plan_.keys, n * k); };
  const kernels::BasicBest<kSpace> best{keys_in(keys_[0]), keys_in(keys_[sizes_.is_in_place ? 0 : 1]), k, filter};
  const auto first_row = static_cast<std::uint32_t>(tile.first);
  const kernels::BasicMatrix<kSpace> scores = comparison_.score(queries, tile, worker);
  if (!comparison_.screens())
    best_rows.merge(scores, first_row, best);
  else
    best_rows.merge_screened(
        {queries.vectors, tile.rows, first_row}, {scores, queries.norms, tile.norms, comparison_.error_factor()},
        {listed_.span().subspan(0, listed_.size() / n * n), counts_.span(), bars_.span(), overflows_.span()}, best,
        comparison_.cost_memory());
  if (!sizes_.is_in_place) std::swap(keys_[0], keys_[1]);
}

/// Merges the keys of all workers for the i-th query of a batch.
template <Space kSpace>
std::span<BestKey> AnswererOn<kSpace>::merge_workers(std::span<BestKey> keys, const Batch& batch, std::size_t i) const {
  const auto of_worker = [&](std::size_t w) { return keys.subspan(w * plan_.keys + i * batch.keys, batch.keys); };
  const std::span<BestKey> best = of_worker(0);
  if (sizes_.sizes.workers > 1) std::make_heap(best.begin(), best.end(), std::greater<>());
  for (std::size_t worker = 1; worker < sizes_.sizes.workers; ++worker)
    for (const BestKey key : of_worker(worker)) {
      if (key <= best.front()) continue;
      std::pop_heap(best.begin(), best.end(), std::greater<>());
      best.back() = key;
      std::push_heap(best.begin(), best.end(), std::greater<>());
    }
  return best;
}

template <Space kSpace>
std::uint32_t AnswererOn<kSpace>::take_best(const Query& query, std::span<BestKey> keys,
                                            std::span<Candidate> found) const {
  std::sort(keys.begin(), keys.end(), std::greater<>());
  std::uint32_t size = 0;
  for (const BestKey key : keys) {
    if (key == 0 || size == found.size()) break;
    const EntityId entity(needs_.rows.first().value() + kernels::row_of(key));
    if (sizes_.keeps_known && needs_.known.find_own(query, entity)) continue;
    found[size++] = {entity, kernels::score_of(key)};
  }
  return size;
}

AnswerPlan plan_answering(const AnswerSizes& of, std::uint64_t room_bytes) {
  const Plan pieces = fit_plan({of.sizes, true, [&](const Plan& tried) { return device_bytes(of, whole(tried, of)); },
                                "searching answers", "answer"},
                               room_bytes);
  AnswerPlan plan = whole(pieces, of);
  if (of.keeps_known) {
    const std::uint64_t room = (room_bytes - device_bytes(of, plan)) / (4 * sizeof(BestKey));
    plan.keys += std::min({of.sizes.rows, kMostKeys, room});
  }
  return plan;
}

AnswerPlan plan_host_answering(const AnswerSizes& of) {
  return whole({of.sizes.block_queries, host_window_rows(of.sizes), cached_rows(of.sizes.dim)}, of);
}

AnswerSizes host_answer_sizes(const Setup& setup, std::uint64_t block_queries, std::uint64_t k, bool omit_known) {
  const bool filters = setup.host.kernels().best_rows.filters();
  return {host_sizes(setup, block_queries), k, omit_known && !filters, filters};
}

MakeAnswerer answer_on_host() {
  return [](const Setup& setup, const AnswerNeeds& needs) {
    const AnswerSizes sizes = host_answer_sizes(setup, needs.block_queries, needs.k, needs.omit_known);
    return std::make_unique<AnswererOn<Space::kHost>>(
        setup, needs, std::make_unique<execution::HostExecutor>(setup.host), sizes, plan_host_answering(sizes));
  };
}

MakeAnswerer answer_on_device(memory::DevicePool& pool, Products products) {
  return [&pool, products](const Setup& setup, const AnswerNeeds& needs) {
    const AnswerSizes sizes{device_sizes(setup, needs.block_queries, products, false), needs.k, needs.omit_known};
    const AnswerPlan plan = plan_answering(sizes, pool.budget_bytes() - pool.used_bytes());
    return std::make_unique<AnswererOn<Space::kDevice>>(setup, needs, make_executor(pool, sizes.sizes, plan.pieces),
                                                        sizes, plan);
  };
}

template class AnswererOn<Space::kHost>;
template class AnswererOn<Space::kDevice>;

}  // namespace tessera::search

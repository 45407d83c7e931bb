// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/best_pairs.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace tessera::search {

using memory::Tag;

namespace {

constexpr float kNoBar = -std::numeric_limits<float>::infinity();
constexpr std::size_t kLooked = 64;  // scores that are looked at together

/// How the host cuts the pairs.
Plan pieces(const Sizes& sizes) { return {sizes.block_queries, host_window_rows(sizes), cached_rows(sizes.dim)}; }

bool any_reaches(const float* scores, std::size_t count, float bar) {
  unsigned reached = 0;
  for (std::size_t i = 0; i < count; ++i) reached |= static_cast<unsigned>(scores[i] >= bar);
  return reached != 0;
}

void multiply(float* scores, std::span<const float> factors) {
  for (std::size_t i = 0; i < factors.size(); ++i) scores[i] *= factors[i];
}

std::unique_ptr<execution::HostExecutor> host_of(const Setup& setup) {
  return std::make_unique<execution::HostExecutor>(setup.host);
}

}  // namespace

BestPairs::BestPairs(const Setup& setup, const PairNeeds& needs, kernels::Similarity similarity)
    : needs_(needs),
      comparison_(setup, host_of(setup), host_sizes(setup, needs.block_queries),
                  pieces(host_sizes(setup, needs.block_queries)), rows_of(setup.parameters)),
      kept_(setup.host.workers()),
      pairs_(setup.host.allocate<Pair>(Tag::kEvaluation, setup.host.workers() * 2 * needs.k)) {
  comparison_.compare_by(similarity);
  comparison_.begin();
  clear();
}

std::uint64_t BestPairs::bytes(const Sizes& sizes, std::uint64_t k) {
  return Comparison<kernels::Space::kHost>::bytes(sizes, pieces(sizes)) + host_bytes<Pair>(sizes.workers * 2 * k);
}

void BestPairs::clear() { std::fill(kept_.begin(), kept_.end(), Kept{0, kNoBar}); }

void BestPairs::add(std::span<const Query> queries, const kernels::ConstMatrix& vectors) {
  if (queries.empty()) return;
  comparison_.set_queries(vectors);
  comparison_.for_each_tile(0, queries.size(), [&](const Queries& some, const Rows& tile, std::size_t worker) {
    compare(queries, some, tile, worker);
  });
  comparison_.finish();
}

void BestPairs::compare(std::span<const Query> queries, const Queries& some, const Rows& tile, std::size_t worker) {
  const kernels::Matrix scores = comparison_.score(some, tile, worker);
  for (std::size_t i = 0; i < scores.rows; ++i) {
    float* const of_query = scores.data + i * scores.stride;
    if (!needs_.row_factors.empty()) multiply(of_query, needs_.row_factors.subspan(tile.first, scores.cols));
    for (std::size_t first = 0; first < scores.cols; first += kLooked) {
      const std::size_t end = std::min(first + kLooked, scores.cols);
      if (!any_reaches(of_query + first, end - first, kept_[worker].bar)) continue;
      for (std::size_t j = first; j < end; ++j)
        if (of_query[j] >= kept_[worker].bar) consider(queries[some.first + i], tile.first + j, of_query[j], worker);
    }
  }
}

void BestPairs::consider(const Query& query, std::uint64_t row, float score, std::size_t worker) {
  if (needs_.among != nullptr && !needs_.among->has(row)) return;
  const EntityId target(needs_.rows.first().value() + row);
  if (needs_.omits && needs_.omits(query, target)) return;
  Kept& own = kept_[worker];
  pairs_[worker * 2 * needs_.k + own.size++] = {query.source, target, score};
  if (own.size == 2 * needs_.k) cut(worker);
}

/// Keeps the k best.
void BestPairs::cut(std::size_t worker) {
  const auto first = pairs_.span().begin() + static_cast<std::ptrdiff_t>(worker * 2 * needs_.k);
  const auto last_kept = first + static_cast<std::ptrdiff_t>(needs_.k - 1);
  std::nth_element(first, last_kept, first + static_cast<std::ptrdiff_t>(2 * needs_.k),
                   [](const Pair& a, const Pair& b) { return is_better(a, b); });
  kept_[worker] = {needs_.k, last_kept->score};
}

std::vector<Pair> BestPairs::best() const {
  std::vector<Pair> all;
  for (std::size_t worker = 0; worker < kept_.size(); ++worker)
    all.insert(all.end(), kept(worker).begin(), kept(worker).end());
  std::sort(all.begin(), all.end(), [](const Pair& a, const Pair& b) { return is_better(a, b); });
  all.resize(std::min<std::uint64_t>(all.size(), needs_.k));
  return all;
}

}  // namespace tessera::search

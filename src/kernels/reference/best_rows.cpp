// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/best_rows.hpp"

#include "kernels/detail/best_shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <span>

namespace tessera::kernels::reference {
namespace {

/// The best keys so far, as a heap with the worst of them in front. Empty places are 0, which is the worst key.
class Heap {
 public:
  explicit Heap(std::span<BestKey> keys) : keys_(keys) {}
  /// Lower scores are not among the best.
  [[nodiscard]] float bar() const {
    return keys_.front() == 0 ? -std::numeric_limits<float>::infinity() : score_of(keys_.front());
  }
  [[nodiscard]] bool wants(BestKey key) const { return key > keys_.front(); }
  void add(BestKey key) {
    std::pop_heap(keys_.begin(), keys_.end(), std::greater<>());
    keys_.back() = key;
    std::push_heap(keys_.begin(), keys_.end(), std::greater<>());
  }

 private:
  std::span<BestKey> keys_;
};

class HeapBestRows final : public BestRows {
 public:
  [[nodiscard]] bool filters() const override { return true; }

  void clear(std::span<BestKey> keys) const override { std::fill(keys.begin(), keys.end(), BestKey{0}); }

  void merge(ConstMatrix scores, std::uint32_t first_row, const Best& best) const override {
    detail::check_best(best, scores.rows, first_row, scores.cols);
    start(best);
    for (std::size_t i = 0; i < scores.rows; ++i)
      for (std::size_t j = 0; j < scores.cols; j += kGroup)
        offer(best, i, {scores.row(i) + j, std::min(kGroup, scores.cols - j)},
              first_row + static_cast<std::uint32_t>(j));
  }

  void merge_screened(const BestTile& tile, const ScreenedScores& approximate, const BestScratch& scratch,
                      const Best& best, std::span<ScreeningCost> cost) const override {
    detail::check_best(best, tile.queries.rows, tile.first_row, tile.rows.rows);
    detail::check_screened(tile, approximate, scratch);
    cost[0].recounted += tile.queries.rows * tile.rows.rows;
    start(best);
    for (std::size_t i = 0; i < tile.queries.rows; ++i)
      for (std::size_t j = 0; j < tile.rows.rows; ++j) {
        const float score = similarity_of(Similarity::kDot, tile.queries.row(i), tile.rows.row(j), tile.rows.cols);
        offer(best, i, {&score, 1}, tile.first_row + static_cast<std::uint32_t>(j));
      }
  }

 private:
  static constexpr std::size_t kGroup = 16;

  static void start(const Best& best) {
    if (best.before.data() != best.after.data()) std::copy(best.before.begin(), best.before.end(), best.after.begin());
  }

  /// Offers a few scores of query i; most often none of them is among the best.
  static void offer(const Best& best, std::size_t i, std::span<const float> scores, std::uint32_t first_row) {
    Heap heap(best.after.subspan(i * best.k, best.k));
    const float bar = heap.bar();
    bool reaches = false;
    for (const float score : scores) reaches |= !(score < bar);
    if (!reaches) return;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const std::uint32_t row = first_row + static_cast<std::uint32_t>(j);
      const BestKey key = best_key(scores[j], row);
      if (heap.wants(key) && (best.filter == nullptr || !best.filter->omits(i, row))) heap.add(key);
    }
  }
};

}  // namespace

const BestRows& best_rows() {
  static const HeapBestRows instance;
  return instance;
}

}  // namespace tessera::kernels::reference

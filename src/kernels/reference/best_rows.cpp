// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/best_rows.hpp"

#include "kernels/detail/best_shapes.hpp"
#include "kernels/reference/similarity.hpp"

#include <algorithm>
#include <functional>
#include <span>

namespace tessera::kernels {
namespace {

/// The best so far with the worst of them in front.
class Heap {
 public:
  explicit Heap(std::span<BestKey> keys) : keys_(keys) { std::make_heap(keys.begin(), keys.end(), std::greater<>()); }
  void add(BestKey key) {
    if (key <= keys_.front()) return;
    std::pop_heap(keys_.begin(), keys_.end(), std::greater<>());
    keys_.back() = key;
    std::push_heap(keys_.begin(), keys_.end(), std::greater<>());
  }

 private:
  std::span<BestKey> keys_;
};

class ReferenceBestRows final : public BestRows {
 public:
  void clear(std::span<BestKey> keys) const override { std::fill(keys.begin(), keys.end(), BestKey{0}); }

  void merge(ConstMatrix scores, std::uint32_t first_row, const Best& best) const override {
    detail::check_best(best, scores.rows, first_row, scores.cols);
    merge_with(best, scores.rows, scores.cols, first_row,
               [&](std::size_t i, std::size_t j) { return scores.row(i)[j]; });
  }

  void merge_screened(const BestTile& tile, const ScreenedScores& approximate, const BestScratch& scratch,
                      const Best& best, std::span<ScreenEffort> effort) const override {
    detail::check_best(best, tile.queries.rows, tile.first_row, tile.rows.rows);
    detail::check_screened(tile, approximate, scratch);
    effort[0].recounted += tile.queries.rows * tile.rows.rows;
    merge_with(best, tile.queries.rows, tile.rows.rows, tile.first_row, [&](std::size_t i, std::size_t j) {
      return reference::similarity_of(Similarity::kDot, tile.queries.row(i), tile.rows.row(j), tile.rows.cols);
    });
  }

 private:
  template <class Score>
  static void merge_with(const Best& best, std::size_t queries, std::size_t rows, std::uint32_t first_row,
                         const Score& score) {
    std::copy(best.before.begin(), best.before.end(), best.after.begin());
    for (std::size_t i = 0; i < queries; ++i) {
      Heap heap(best.after.subspan(i * best.k, best.k));
      for (std::size_t j = 0; j < rows; ++j) heap.add(best_key(score(i, j), first_row + static_cast<std::uint32_t>(j)));
    }
  }
};

}  // namespace

const BestRows& reference_best_rows() {
  static const ReferenceBestRows instance;
  return instance;
}

}  // namespace tessera::kernels

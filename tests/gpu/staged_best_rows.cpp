// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "gpu/staged_support.hpp"

namespace tessera::kernels::testing::staged {
namespace {

class StagedBestRows final : public BestRows {
 public:
  void clear(std::span<BestKey> keys) const override {
    const Elements result(keys);
    on_device().best_rows.clear(result.view());
    result.back_to(keys);
  }

  void merge(ConstMatrix scores, std::uint32_t first_row, const Best& best) const override {
    const Elements before(best.before);
    const Elements after(best.after);
    on_device().best_rows.merge(Grid(scores).view(), first_row, {before.view(), after.view(), best.k});
    after.back_to(best.after);
  }

  void merge_screened(const BestTile& tile, const ScreenedScores& approximate, const BestScratch& scratch,
                      const Best& best, std::span<ScreeningCost> cost) const override {
    const Grid queries(tile.queries);
    const Grid rows(tile.rows);
    const Grid scores(approximate.scores);
    const Elements query_norms(approximate.query_norms);
    const Elements row_norms(approximate.row_norms);
    const Elements listed(scratch.listed);
    const Elements counts(scratch.counts);
    const Elements bars(scratch.bars);
    const Elements overflows(scratch.overflows);
    const Elements before(best.before);
    const Elements after(best.after);
    const Elements pairs(cost);
    on_device().best_rows.merge_screened(
        {queries.view(), rows.view(), tile.first_row},
        {scores.view(), query_norms.view(), row_norms.view(), approximate.error_factor},
        {listed.view(), counts.view(), bars.view(), overflows.view()}, {before.view(), after.view(), best.k},
        pairs.view());
    after.back_to(best.after);
    pairs.back_to(cost);
  }
};

}  // namespace

const BestRows& best_rows() {
  static const StagedBestRows instance;
  return instance;
}

}  // namespace tessera::kernels::testing::staged

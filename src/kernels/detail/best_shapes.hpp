// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "kernels/best_rows.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels::detail {

template <Space kSpace>
void check_best(const BasicBest<kSpace>& best, std::size_t queries, std::uint32_t first_row, std::size_t rows) {
  TESSERA_ASSERT(best.k > 0, "at least one best row is wanted");
  TESSERA_ASSERT(best.before.size() == queries * best.k && best.after.size() == best.before.size(),
                 "k places for every query");
  TESSERA_ASSERT(rows <= kBestRows - first_row, "rows are numbered below 2^31");
}

template <Space kSpace>
void check_screened(const BasicBestTile<kSpace>& tile, const BasicScreenedScores<kSpace>& approximate,
                    const BasicBestScratch<kSpace>& scratch) {
  const std::size_t b = tile.queries.rows;
  check_scores(tile.queries, tile.rows, approximate.scores);
  TESSERA_ASSERT(approximate.query_norms.size() == b && approximate.row_norms.size() == tile.rows.rows,
                 "one norm per vector");
  TESSERA_ASSERT(scratch.counts.size() >= b && scratch.bars.size() >= b && scratch.overflows.size() > b,
                 "scratch for a tile of that many queries");
}

}  // namespace tessera::kernels::detail

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

namespace tessera::kernels::reference {
namespace {

class ReferenceRanks final : public Ranks {
 public:
  void count(Similarity similarity, const RankTile& tile, const RankCounts& counts) const override {
    detail::check_ranks(tile, counts);
    for (std::size_t i = 0; i < tile.queries.rows; ++i)
      for (std::size_t j = 0; j < tile.rows.rows; ++j) {
        const float score = similarity_of(similarity, tile.queries.row(i), tile.rows.row(j), tile.rows.cols);
        counts.n_greater[i] += score > tile.target_scores[i] ? 1 : 0;
        counts.n_equal[i] += score == tile.target_scores[i] ? 1 : 0;
      }
  }
};

}  // namespace

const Ranks& ranks() {
  static const ReferenceRanks instance;
  return instance;
}

}  // namespace tessera::kernels::reference

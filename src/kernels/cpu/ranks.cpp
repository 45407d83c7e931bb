// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/families.hpp"
#include "kernels/detail/shapes.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ranks.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/simd_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

void count_row(const float* scores, std::size_t count, float target, std::uint32_t* n_greater, std::uint32_t* n_equal) {
  std::size_t greater = 0;
  std::size_t equal = 0;
  for_columns(count, [=, &greater, &equal](auto d, std::size_t j) HWY_ATTR {
    const auto score = hn::LoadU(d, scores + j);
    greater += hn::CountTrue(d, hn::Gt(score, hn::Set(d, target)));
    equal += hn::CountTrue(d, hn::Eq(score, hn::Set(d, target)));
  });
  *n_greater += static_cast<std::uint32_t>(greater);
  *n_equal += static_cast<std::uint32_t>(equal);
}

void count_tile(ConstMatrix scores, const float* targets, std::uint32_t* n_greater, std::uint32_t* n_equal) {
  for (std::size_t i = 0; i < scores.rows; ++i)
    count_row(scores.row(i), scores.cols, targets[i], n_greater + i, n_equal + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(count_tile);

namespace {

// A tile of scores is 64 KiB. Its rows are packed once for all of its queries, so it is taller than wide.
constexpr std::size_t kTileQueries = 256;
constexpr std::size_t kTileRows = 64;

class CpuRanks final : public Ranks {
 public:
  void count(Similarity similarity, const RankTile& of, const RankCounts& counts) const override {
    kernels::detail::check_ranks(of, counts);
    alignas(64) float scratch[kTileQueries * kTileRows];
    for (std::size_t i = 0; i < of.queries.rows; i += kTileQueries)
      for (std::size_t j = 0; j < of.rows.rows; j += kTileRows) {
        const Matrix tile{scratch, std::min(kTileQueries, of.queries.rows - i), std::min(kTileRows, of.rows.rows - j),
                          kTileRows};
        scores().all_pairs(similarity, of.queries.block(i, tile.rows), of.rows.block(j, tile.cols), tile);
        HWY_DYNAMIC_DISPATCH(count_tile)
        (tile, of.target_scores.data() + i, counts.n_greater.data() + i, counts.n_equal.data() + i);
      }
  }
};

}  // namespace

const Ranks& ranks() {
  static const CpuRanks instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE

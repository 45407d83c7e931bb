// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The best rows of queries: against sorting all of them, and from approximate scores whatever these do within their
// bound.
#include "kernels/best_rows.hpp"

#include "core/error.hpp"
#include "kernels_support.hpp"
#include "support/rounded_scores.hpp"

#include <functional>
#include <memory>

namespace tessera::kernels::testing {
namespace {

using test::RoundedScores;
using Keys = std::vector<BestKey>;

struct Searcher {
  const BestRows* best_rows;
  std::string name;
};

std::vector<Searcher> searchers() {
#ifdef TESSERA_CONTRACT_ON_DEVICE
  return {{&staged_backend().best_rows, "cuda"}};
#else
  return {{&reference_backend().best_rows, "reference"},
          {&host_grid_backend(GridOrder::kForward).best_rows, "host_grid"},
          {&host_grid_backend(GridOrder::kBackward).best_rows, "host_grid_backward"}};
#endif
}

class KernelsBestRows : public ::testing::TestWithParam<Searcher> {
 protected:
  [[nodiscard]] static const BestRows& best_rows() { return *GetParam().best_rows; }
  [[nodiscard]] static bool screens() { return GetParam().name != "reference"; }
};
INSTANTIATE_TEST_SUITE_P(All, KernelsBestRows, ::testing::ValuesIn(searchers()),
                         [](const auto& instance) { return instance.param.name; });

struct Found {
  std::uint32_t row;
  float score;
};

/// Those of query i, best first.
std::vector<Found> found(const Keys& keys, std::size_t k, std::size_t i) {
  Keys own(keys.begin() + static_cast<std::ptrdiff_t>(i * k), keys.begin() + static_cast<std::ptrdiff_t>((i + 1) * k));
  std::sort(own.begin(), own.end(), std::greater<>());
  std::vector<Found> rows;
  for (const BestKey key : own)
    if (key != 0) rows.push_back({row_of(key), score_of(key)});
  return rows;
}

/// All rows by (score, smaller row), NaN left out.
std::vector<Found> sorted(const float* scores, std::size_t rows, std::size_t k) {
  std::vector<Found> all;
  for (std::size_t j = 0; j < rows; ++j)
    if (!std::isnan(scores[j])) all.push_back({static_cast<std::uint32_t>(j), scores[j]});
  std::stable_sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
  all.resize(std::min(all.size(), k));
  return all;
}

void expect_sorted(const Keys& keys, ConstMatrix scores, std::size_t k, const std::string& what) {
  for (std::size_t i = 0; i < scores.rows; ++i) {
    const std::vector<Found> got = found(keys, k, i);
    const std::vector<Found> want = sorted(scores.row(i), scores.cols, k);
    ASSERT_EQ(got.size(), want.size()) << what << ", query " << i;
    for (std::size_t r = 0; r < want.size(); ++r) {
      ASSERT_EQ(got[r].row, want[r].row) << what << ", query " << i << ", place " << r;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got[r].score), std::bit_cast<std::uint32_t>(want[r].score)) << what;
    }
  }
}

/// Merges the columns of `scores` in tiles of those widths, over and over.
Keys merged(const BestRows& best_rows, ConstMatrix scores, std::size_t k, const std::vector<std::size_t>& widths) {
  Keys before(scores.rows * k, 99);
  Keys after(before.size(), 77);
  best_rows.clear(before);
  std::size_t tile = 0;
  for (std::size_t first = 0; first < scores.cols; ++tile) {
    const std::size_t width = std::min(widths[tile % widths.size()], scores.cols - first);
    best_rows.merge(scores.columns(first, width), static_cast<std::uint32_t>(first), {before, after, k});
    before.swap(after);
    first += width;
  }
  return before;
}

const std::vector<std::vector<std::size_t>> kWidths = {{100000}, {1, 2, 300}, {64, 7}};

TEST_P(KernelsBestRows, AreTheFirstOfAllRowsSorted) {
  for (const std::size_t rows : {1, 40, 1500})
    for (const std::size_t k : {1, 10, 1000, 3000}) {
      const std::vector<std::pair<std::string, std::function<float(std::size_t, float)>>> kinds = {
          {"random", [](std::size_t, float normal) { return normal; }},
          {"few values", [](std::size_t, float normal) { return std::round(normal); }},
          {"one value", [](std::size_t, float) { return -0.3F; }},
          {"zeros", [](std::size_t j, float) { return j % 3 == 0 ? -0.0F : 0.0F; }},
          {"specials",
           [](std::size_t j, float normal) {
             if (j % 7 == 0) return kNan;
             if (j % 7 == 1) return -kNan;
             if (j % 7 == 2) return -kInfinity;
             return j % 50 == 3 ? kInfinity : normal * 1e-42F;
           }},
          {"no numbers", [](std::size_t, float) { return kNan; }},
      };
      for (const auto& [name, value] : kinds) {
        Grid scores = random_grid(5, rows, 1, 3);
        for (std::size_t i = 0; i < scores.rows(); ++i)
          for (std::size_t j = 0; j < rows; ++j) scores.at(i, j) = value(j, scores.at(i, j));
        for (const auto& widths : kWidths) {
          if (rows * k > 200000 && widths.size() > 1) continue;  // enough of those
          expect_sorted(merged(best_rows(), std::as_const(scores).view(), k, widths), std::as_const(scores).view(), k,
                        fmt::format("{}, {} rows, k = {}, {} widths", name, rows, k, widths.size()));
        }
      }
    }
}

TEST_P(KernelsBestRows, NothingToMergeKeepsWhatIsThere) {
  const Grid scores = random_grid(2, 30, 1);
  const Keys before = merged(best_rows(), scores.view(), 4, {30});
  Keys after(8);
  best_rows().merge({nullptr, 2, 0, 0}, 30, {before, after, 4});
  expect_sorted(after, scores.view(), 4, "an empty tile");
  best_rows().merge({nullptr, 0, 30, 30}, 0, {{}, {}, 4});  // no queries
}

/// Every third row is no answer to even queries.
class EveryThird final : public RowFilter {
 public:
  [[nodiscard]] bool omits(std::size_t query, std::uint32_t row) const override {
    return query % 2 == 0 && row % 3 == 0;
  }
};

TEST_P(KernelsBestRows, FilteredInPlaceAreTheFirstOfTheOthers) {
  if (!best_rows().filters()) GTEST_SKIP() << "nobody can be asked on a device";
  const EveryThird filter;
  for (const std::size_t k : {1, 10, 1000}) {
    const Grid scores = random_grid(5, 700, 1);
    Grid others = scores;
    for (std::size_t i = 0; i < 5; i += 2)
      for (std::size_t j = 0; j < 700; j += 3) others.at(i, j) = kNan;
    Keys keys(5 * k, 99);
    best_rows().clear(keys);
    for (std::size_t first = 0; first < 700; first += 100)
      best_rows().merge(scores.view().columns(first, 100), static_cast<std::uint32_t>(first), {keys, keys, k, &filter});
    expect_sorted(keys, std::as_const(others).view(), k, fmt::format("k = {}", k));
  }
}

TEST_P(KernelsBestRows, WrongShapesAreRefused) {
  const Grid scores = random_grid(2, 30, 1);
  Keys before(8);
  Keys after(8);
  EXPECT_ANY_THROW(best_rows().merge(scores.view(), 0, {before, after, 3}));
  EXPECT_ANY_THROW(best_rows().merge(scores.view(), 0, {{}, {}, 0}));
  EXPECT_ANY_THROW(best_rows().merge(scores.view(), (std::uint32_t{1} << 31U) - 29, {before, after, 4}));
}

/// Screened by approximate scores that are given; tile by tile.
struct Screened {
  Keys keys;
  ScreeningCost cost;
};
Screened screened(const BestRows& best_rows, const Grid& queries, const Grid& rows, const Grid& approximate,
                  float factor, std::size_t k, std::size_t width, std::size_t capacity) {
  const std::size_t b = queries.rows();
  const ScreenedRanks& ranks = host_grid_screened_ranks(GridOrder::kForward);
  std::vector<float> query_norms(b);
  std::vector<float> row_norms(rows.rows());
  ranks.norms(queries.view(), query_norms);
  ranks.norms(rows.view(), row_norms);
  Keys listed(b * capacity, 5);
  std::vector<std::uint32_t> counts(b, 3);
  std::vector<std::uint32_t> bars(b, 3);
  std::vector<std::uint32_t> overflows(b + 1, 3);
  std::vector<ScreeningCost> cost(1);
  Keys before(b * k, 99);
  Keys after(before.size(), 77);
  best_rows.clear(before);
  Grid scores = approximate;
  for (std::size_t first = 0; first < rows.rows(); first += width) {
    const std::size_t count = std::min(width, rows.rows() - first);
    best_rows.merge_screened({queries.view(), rows.view().block(first, count), static_cast<std::uint32_t>(first)},
                             {scores.view().columns(first, count), query_norms,
                              std::span<const float>(row_norms).subspan(first, count), factor},
                             {listed, counts, bars, overflows}, {before, after, k}, cost);
    before.swap(after);
  }
  return {before, cost[0]};
}

Grid chains(const Grid& queries, const Grid& rows) {
  Grid scores(queries.rows(), rows.rows());
  reference_backend().scores.all_pairs(Similarity::kDot, queries.view(), rows.view(), scores.view());
  return scores;
}

Grid rounded(const Grid& queries, const Grid& rows) {
  Grid scores(queries.rows(), rows.rows(), 2);
  RoundedScores().all_pairs(Similarity::kDot, queries.view(), rows.view(), scores.view());
  return scores;
}

TEST_P(KernelsBestRows, ScreenedAreThoseOfTheChain) {
  for (const std::size_t dim : {1, 20, 200}) {
    const Grid queries = random_grid(70, dim, 1, 1);
    const Grid rows = random_grid(600, dim, 2, 3);
    const Grid exact = chains(queries, rows);
    const Grid approximate = rounded(queries, rows);
    const float factor = score_error_factor(RoundedScores::kRoundoff, dim);
    for (const std::size_t k : {1, 10, 1000})
      for (const std::size_t width : {600, 91}) {
        const Screened result = screened(best_rows(), queries, rows, approximate, factor, k, width, width);
        expect_sorted(result.keys, exact.view(), k, fmt::format("dim {}, k = {}, tiles of {}", dim, k, width));
        if (!screens()) continue;
        EXPECT_EQ(result.cost.recounted, 0U);
        EXPECT_GE(result.cost.rescored, queries.rows() * std::min<std::size_t>(k, 600));
        if (k == 10 && width == 600) {
          EXPECT_LT(result.cost.rescored, queries.rows() * 200);  // most is decided
        }
      }
  }
}

TEST_P(KernelsBestRows, AListThatOverflowsMeansAllRows) {
  const Grid queries = random_grid(130, 12, 1);
  const Grid rows = random_grid(333, 12, 2);
  const Grid exact = chains(queries, rows);
  const Grid approximate = rounded(queries, rows);
  const float factor = score_error_factor(RoundedScores::kRoundoff, 12);
  for (const std::size_t capacity : {0, 1, 5, 8, 12, 333}) {
    const Screened result = screened(best_rows(), queries, rows, approximate, factor, 5, 333, capacity);
    expect_sorted(result.keys, exact.view(), 5, fmt::format("capacity {}", capacity));
    if (!screens()) continue;
    EXPECT_EQ(result.cost.recounted % 333, 0U);
    if (capacity < 5) {
      EXPECT_EQ(result.cost.recounted, 130U * 333U);
    }
    if (capacity == 333) {
      EXPECT_EQ(result.cost.recounted, 0U);
    }
    if (capacity == 8) {  // some queries do, some do not
      EXPECT_GT(result.cost.recounted, 0U);
      EXPECT_GT(result.cost.rescored, 0U);
    }
  }
}

/// Errors up to the bound: what is among the best looks worse, the others better.
Grid bent(const Grid& queries, const Grid& rows, const Grid& exact, float factor, std::size_t k) {
  Grid scores = exact;
  std::vector<float> norms(queries.rows() + rows.rows());
  const ScreenedRanks& ranks = host_grid_screened_ranks(GridOrder::kForward);
  ranks.norms(queries.view(), std::span(norms).first(queries.rows()));
  ranks.norms(rows.view(), std::span(norms).subspan(queries.rows()));
  for (std::size_t i = 0; i < exact.rows(); ++i) {
    const std::vector<Found> best = sorted(exact.view().row(i), exact.cols(), k);
    for (std::size_t j = 0; j < exact.cols(); ++j) {
      const bool is_best = std::any_of(best.begin(), best.end(), [&](const Found& found) { return found.row == j; });
      const float error = 0.998F * factor * norms[i] * norms[queries.rows() + j];
      scores.at(i, j) += is_best ? -error : error;
    }
  }
  return scores;
}

TEST_P(KernelsBestRows, AnyErrorWithinTheBoundIsHarmless) {
  const Grid queries = random_grid(9, 24, 5);
  const Grid rows = random_grid(301, 24, 6);
  const Grid exact = chains(queries, rows);
  for (const float factor : {1e-5F, 1e-3F, 1e-2F, 0.1F})
    for (const std::size_t k : {1, 10, 100}) {
      const Grid approximate = bent(queries, rows, exact, factor, k);
      for (const std::size_t width : {301, 50})
        expect_sorted(screened(best_rows(), queries, rows, approximate, factor, k, width, width).keys, exact.view(), k,
                      fmt::format("factor {}, k = {}", factor, k));
    }
}

// The converse: a bound that is too small is noticed by these tests.
TEST_P(KernelsBestRows, ABoundThatIsTooSmallFindsOthers) {
  if (!screens()) GTEST_SKIP() << "the reference scores all pairs";
  const Grid queries = random_grid(20, 64, 7);
  const Grid rows = random_grid(2000, 64, 8);
  const Keys exact = merged(reference_backend().best_rows, chains(queries, rows).view(), 300, {2000});
  Keys other = screened(best_rows(), queries, rows, rounded(queries, rows), 1e-6F, 300, 2000, 2000).keys;
  bool differs = false;
  for (std::size_t i = 0; i < 20; ++i) {
    const std::vector<Found> a = found(exact, 300, i);
    const std::vector<Found> b = found(other, 300, i);
    differs |= !std::equal(a.begin(), a.end(), b.begin(), b.end(),
                           [](const Found& x, const Found& y) { return x.row == y.row; });
  }
  EXPECT_TRUE(differs);
}

TEST_P(KernelsBestRows, ScreenedNearTiesEqualRowsAndWhatIsNoNumber) {
  for (const float scale : {1e-42F, 1e-25F, 1.0F, 1e19F, 3e38F}) {
    Grid queries = random_grid(6, 40, 11);
    Grid rows = random_grid(200, 40, 12);
    for (std::size_t j = 0; j < 200; ++j)
      for (std::size_t c = 0; c < 40; ++c) rows.at(j, c) = scale * (j < 40 ? rows.at(7, c) : rows.at(j, c));
    for (std::size_t j = 9; j < 40; ++j)  // apart by one last place of one element
      rows.at(j, j) = std::nextafter(rows.at(j, j), j % 2 == 0 ? kInfinity : -kInfinity);
    rows.at(52, 3) = kNan;
    rows.at(53, 4) = kInfinity;
    rows.at(54, 5) = -kInfinity;
    for (std::size_t c = 0; c < 40; ++c) {
      rows.at(50, c) = c % 2 == 0 ? 0.0F : -0.0F;
      rows.at(56, c) = std::numeric_limits<float>::max();
      queries.at(5, c) = 0;
    }
    const Grid exact = chains(queries, rows);
    const Grid approximate = rounded(queries, rows);
    for (const std::size_t k : {1, 10, 150, 300})
      for (const std::size_t capacity : {30, 200})
        expect_sorted(screened(best_rows(), queries, rows, approximate,
                               score_error_factor(RoundedScores::kRoundoff, 40), k, 200, capacity)
                          .keys,
                      exact.view(), k, fmt::format("scale {}, k = {}, capacity {}", scale, k, capacity));
  }
}

TEST(BestKey, KeepsRowAndScoreAndTheirOrder) {
  const std::vector<float> scores = {-kInfinity, std::numeric_limits<float>::lowest(), -1.5F,    -1e-45F, 0.0F, 1e-45F,
                                     1.0F,       std::numeric_limits<float>::max(),    kInfinity};
  const std::vector<std::uint32_t> rows = {0x7FFFFFFF, 0x7FFFFFFE, 1, 0};
  BestKey last = 0;
  for (const float score : scores)
    for (const std::uint32_t row : rows) {
      const BestKey key = best_key(score, row);
      EXPECT_GT(key, last);
      EXPECT_EQ(row_of(key), row);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(score_of(key)), std::bit_cast<std::uint32_t>(score));
      last = key;
    }
  EXPECT_GT(best_key(-0.0F, 3), best_key(0.0F, 4));
  EXPECT_LT(best_key(-0.0F, 4), best_key(0.0F, 3));
  EXPECT_TRUE(std::signbit(score_of(best_key(-0.0F, 4))));
  EXPECT_EQ(row_of(best_key(-0.0F, 4)), 4U);
  EXPECT_EQ(best_key(kNan, 0), 0U);
  EXPECT_EQ(best_key(-kNan, 0), 0U);
}

}  // namespace
}  // namespace tessera::kernels::testing

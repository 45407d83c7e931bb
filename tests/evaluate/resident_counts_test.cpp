// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Counting as a device does it gives the ranks of the host, however it is cut to the memory that there is.
#include "evaluate/detail/resident_counts.hpp"

#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "evaluate/device_counts.hpp"
#include "evaluate_run.hpp"
#include "host_resident.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

using evaluate::detail::CountsPlan;
using evaluate::detail::CountsSizes;
using kernels::GridOrder;
using kernels::Products;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 60, .relations = 3, .train = 400, .valid = 50, .test = 60}),
                                  9);
  return stored;
}

ModelValues values(const char* scorer, Entry entity) {
  ModelValues model;
  model.scorer = scorer;
  model.dim = 22;
  model.entity = std::move(entity);
  return model;
}

/// All rows at once; windows that cut through parts; queries in pieces of a block, too.
const std::vector<CountsPlan> kPlans = {{1000, 1000, 1000}, {1000, 60, 7}, {13, 11, 4}, {7, 1, 1}, {5, 1000, 64}};

EvaluateCase on_ranks(std::int32_t ranks) {
  EvaluateCase how;
  how.ranks = ranks;
  how.backend = &kernels::cpu_backend();
  how.options.block_queries = 32;
  return how;
}

void expect_same(const Evaluated& result, const Evaluated& expected, const std::string& what) {
  EXPECT_EQ(result.metrics.rank_digest, expected.metrics.rank_digest) << what;
  EXPECT_TRUE(result.metrics.all == expected.metrics.all) << what;
  ASSERT_EQ(result.queries.size(), expected.queries.size()) << what;
  for (std::size_t i = 0; i < result.queries.size(); ++i) {
    EXPECT_EQ(result.queries[i].n_greater, expected.queries[i].n_greater) << what << ", query " << i;
    EXPECT_EQ(result.queries[i].n_equal, expected.queries[i].n_equal) << what << ", query " << i;
    EXPECT_EQ(result.queries[i].candidates, expected.queries[i].candidates) << what << ", query " << i;
  }
}

std::string describe(const CountsPlan& plan, std::int32_t ranks) {
  return fmt::format("{} queries, {} rows, tiles of {}, {} ranks", plan.queries, plan.window_rows, plan.tile_rows,
                     ranks);
}

TEST(ResidentCounts, HaveTheRanksOfTheHost) {
  const std::vector<const kernels::Backend*> backends = {&kernels::reference_backend(), &kernels::cpu_backend(),
                                                         &kernels::host_grid_backend(GridOrder::kForward),
                                                         &kernels::host_grid_backend(GridOrder::kBackward)};
  for (const ModelValues& model : {values("transe_l1", small_integers(1)), values("transe_l2", normals(3)),
                                   values("complex", small_integers(1))}) {
    const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
    for (std::size_t k = 0; k < kPlans.size(); ++k) {
      const kernels::Backend& backend = *backends[k % backends.size()];
      for (const std::int32_t ranks : {1, 3}) {
        EvaluateCase how = on_ranks(ranks);
        how.counts = resident(backend, {kPlans[k].queries, kPlans[k].window_rows, 0});
        expect_same(evaluate_on_ranks(shared_graph(), model, how), expected,
                    fmt::format("{} over {}: {}", model.scorer, backend.name, describe(kPlans[k], ranks)));
      }
    }
  }
}

TEST(ResidentCounts, ScreenedByBfloat16HaveTheRanksOfTheHost) {
  const auto equal_rows = [](std::uint64_t, std::size_t) { return 0.7F; };
  const auto tiny = [](std::uint64_t row, std::size_t k) { return 1e-25F * normals(4)(row, k); };
  const auto near_ties = [](std::uint64_t row, std::size_t k) { return 1 + 1e-6F * normals(5)(row, k); };
  for (const Entry& entity : {normals(3), small_integers(1), Entry(equal_rows), Entry(tiny), Entry(near_ties)}) {
    const ModelValues model = values("complex", entity);
    const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
    for (std::size_t k = 0; k < kPlans.size(); ++k) {
      const std::int32_t ranks = 1 + static_cast<std::int32_t>(k) % 4;
      EvaluateCase how = on_ranks(ranks);
      how.counts = screened(ranks == 2 ? GridOrder::kBackward : GridOrder::kForward, kPlans[k]);
      expect_same(evaluate_on_ranks(shared_graph(), model, how), expected, describe(kPlans[k], ranks));
    }
  }
}

/// Counts over rows that somebody else has in that memory space: copies, with something between the rows.
class OverLentRows final : public evaluate::detail::CandidateCounts {
 public:
  OverLentRows(const model::Setup& setup, const evaluate::detail::CountKernels<kernels::Space::kHost>& kernels,
               const CountsPlan& plan, std::uint64_t capacity, float scale)
      : parameters_(setup.parameters), scale_(scale), counts_(setup, kernels, plan, capacity, lend()) {}
  void begin() override {
    copy();
    counts_.begin();
  }
  void start(const evaluate::detail::QueryBlock& block, std::span<const float> target_scores) override {
    counts_.start(block, target_scores);
  }
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override {
    counts_.finish(n_greater, n_equal);
  }
  [[nodiscard]] model::PairEffort effort() const override { return counts_.effort(); }

 private:
  static constexpr std::size_t kGap = 3;
  std::vector<kernels::ConstMatrix> lend() {
    std::vector<kernels::ConstMatrix> views;
    for (const model::PartTable& part : parameters_.parts()) {
      copies_.emplace_back(part.rows.rows * (part.rows.cols + kGap), 99.0F);
      views.push_back({copies_.back().data(), part.rows.rows, part.rows.cols, part.rows.cols + kGap});
    }
    return views;
  }
  void copy() {
    for (std::size_t p = 0; p < copies_.size(); ++p) {
      const kernels::ConstMatrix rows = parameters_.parts()[p].rows;
      for (std::size_t i = 0; i < rows.rows; ++i)
        for (std::size_t c = 0; c < rows.cols; ++c) copies_[p][i * (rows.cols + kGap) + c] = scale_ * rows.row(i)[c];
    }
  }

  const model::Parameters& parameters_;
  float scale_;
  std::vector<std::vector<float>> copies_;
  HostResident counts_;
};

evaluate::MakeCounts over_lent_rows(bool screens, const CountsPlan& plan, float scale = 1) {
  return [=](const model::Setup& setup, std::uint64_t capacity) {
    static const RoundedScores rounded;
    evaluate::detail::CountKernels<kernels::Space::kHost> kernels{&kernels::cpu_backend().ranks};
    if (screens)
      kernels = {&kernels::cpu_backend().ranks, &rounded, &kernels::host_grid_screened_ranks(GridOrder::kForward),
                 RoundedScores::kRoundoff};
    return std::make_unique<OverLentRows>(setup, kernels, plan, capacity, scale);
  };
}

TEST(ResidentCounts, OverRowsThatAreThereHaveTheRanksOfTheHost) {
  const ModelValues model = values("complex", normals(3));
  const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
  for (const bool screens : {false, true})
    for (const CountsPlan& plan : {CountsPlan{1000, 1000, 1000}, CountsPlan{13, 11, 4}, CountsPlan{20, 60, 7}})
      for (const std::int32_t ranks : {1, 3}) {
        EvaluateCase how = on_ranks(ranks);
        how.counts = over_lent_rows(screens, {plan.queries, plan.window_rows, screens ? plan.tile_rows : 0});
        expect_same(evaluate_on_ranks(shared_graph(), model, how), expected, describe(plan, ranks));
      }
  EvaluateCase other = on_ranks(1);  // rows that are not the model's: they are what is compared, and it is noticed
  other.counts = over_lent_rows(false, {1000, 1000, 0}, 0.9F);
  EXPECT_ANY_THROW((void)evaluate_on_ranks(shared_graph(), model, other));
}

/// The messages that are logged in a scope.
class LogScope {
 public:
  LogScope() {
    log::set_sink([this](log::Level, std::string_view line) { lines_.emplace_back(line); });
  }
  ~LogScope() { log::set_sink({}); }
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

TEST(ResidentCounts, SayHowManyPairsWereScoredAgain) {
  const LogScope log;
  EvaluateCase how = on_ranks(2);
  how.counts = screened(GridOrder::kForward, {1000, 1000, 1000});
  (void)evaluate_on_ranks(shared_graph(), values("complex", normals(3)), how);
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_TRUE(log.lines()[0].starts_with("screened 7,200 pairs of query and entity; ")) << log.lines()[0];  // 120 x 60
}

// Parameters change between the validations of a training run.
TEST(ResidentCounts, SeeParametersThatHaveChanged) {
  const auto self = [&](const evaluate::MakeCounts& counts) {
    std::vector<std::string> digests;
    comm::run_ranks(1, [&](comm::Communicator& comm) {
      memory::Pool pool(64U << 20U);
      const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
      ModelValues model = values("complex", normals(3));
      model::Parameters parameters(shard, model.job(), model::StateShape::kNone, pool);
      evaluate::Evaluator evaluator({comm, shard, parameters, kernels::cpu_backend(), pool, 1}, {}, counts);
      for (const std::uint64_t seed : {3U, 4U, 3U}) {
        model.entity = normals(seed);
        fill(model, shard, parameters);
        digests.push_back(evaluator.run(graph::Split::kTest).rank_digest);
      }
    });
    return digests;
  };
  const std::vector<std::string> expected = self({});
  EXPECT_NE(expected[0], expected[1]);
  EXPECT_EQ(self(resident(kernels::cpu_backend(), {100, 100, 0})), expected);
  EXPECT_EQ(self(screened(GridOrder::kForward, {100, 100, 100})), expected);
}

TEST(CountsPlan, FitsTheRoomAndPrefersAllRows) {
  for (const Products products : {Products::kChain, Products::kTf32, Products::kBfloat16})
    for (const CountsSizes& sizes :
         {CountsSizes{4096, 14541, 2000, products}, {64, 1000000, 100, products}, {1, 1, 1, products}}) {
      const std::uint64_t rows_bytes = sizes.own_rows * sizes.dim * sizeof(float);
      std::uint64_t least_resident = UINT64_MAX;
      for (std::uint64_t room = std::uint64_t{64} << 30U; room > 1000; room = room / 8 * 7) {
        CountsPlan plan;
        try {
          plan = plan_counts(sizes, room);
        } catch (const Error& error) {
          EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
          EXPECT_LT(room, std::uint64_t{40} << 20U);  // cuBLAS has 32 MiB of its own
          break;
        }
        ASSERT_LE(place_bytes(plan, sizes), room);
        ASSERT_GE(plan.queries, 1U);
        ASSERT_LE(plan.queries, sizes.block_queries);
        ASSERT_GE(plan.window_rows, 1U);
        ASSERT_LE(plan.window_rows, sizes.own_rows);
        ASSERT_EQ(plan.tile_rows > 0, products != Products::kChain);
        ASSERT_LE(plan.tile_rows, plan.window_rows);
        if (plan.window_rows == sizes.own_rows) least_resident = room;
      }
      EXPECT_LT(least_resident, 4 * rows_bytes + (std::uint64_t{64} << 20U));
    }
}

TEST(CountsPlan, RowsThatAreThereTakeNoMemory) {
  CountsSizes sizes{4096, 14541, 2000, Products::kBfloat16};
  const CountsPlan plan = plan_counts(sizes, std::uint64_t{8} << 30U);
  const std::uint64_t brought = place_bytes(plan, sizes);
  sizes.rows_are_there = true;
  EXPECT_EQ(brought - place_bytes(plan, sizes), (14541 * 2000 * 4 + 255) / 256 * 256);
  sizes.own_rows = 1'000'000;  // 8 GB
  EXPECT_EQ(plan_counts(sizes, std::uint64_t{1} << 30U).window_rows, sizes.own_rows);
}

TEST(CountsPlan, RefusesWhatDoesNotFit) {
  test::expect_error(ExitStatus::kOverBudget, {"counting candidates on the device needs at least", "run.device_memory"},
                     [] {
                       (void)evaluate::detail::plan_counts({4096, 1000, 100, Products::kBfloat16}, 1U << 20U);
                     });
}

}  // namespace
}  // namespace tessera::test

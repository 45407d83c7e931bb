// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One ranker: ranks do not depend on the executor, nor on how the work is cut to the memory that there is.
#include "core/log.hpp"
#include "evaluate_run.hpp"
#include "support/search_on_host.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

using kernels::GridOrder;
using search::Plan;

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
const std::vector<Plan> kPlans = {{1000, 1000, 1000}, {1000, 60, 7}, {13, 11, 4}, {7, 1, 1}, {5, 1000, 64}};

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

std::string describe(const Plan& plan, std::int32_t ranks) {
  return fmt::format("{} queries, {} rows, tiles of {}, {} ranks", plan.queries, plan.window_rows, plan.tile_rows,
                     ranks);
}

TEST(ExecutorRanks, HaveTheRanksOfTheHost) {
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
        how.ranker =
            rank_with({.backend = backend, .borrows = ranks == 3}, {kPlans[k].queries, kPlans[k].window_rows, 0});
        expect_same(evaluate_on_ranks(shared_graph(), model, how), expected,
                    fmt::format("{} over {}: {}", model.scorer, backend.name, describe(kPlans[k], ranks)));
      }
    }
  }
}

TEST(ExecutorRanks, AreTheSameInBlocksOfAnySizeOnAnyNumberOfThreads) {
  for (const ModelValues& model : {values("transe_l1", small_integers(1)), values("complex", normals(3))}) {
    const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
    for (const std::size_t threads : {1, 2, 5})
      for (const Plan& plan : kPlans)
        for (const bool borrows : {false, true}) {
          EvaluateCase how = on_ranks(2);
          const OnHost cut{kernels::cpu_backend(), execution::HostThreads(threads), borrows};
          how.ranker = rank_with(cut, {plan.queries, plan.window_rows, 0});
          expect_same(evaluate_on_ranks(shared_graph(), model, how), expected, describe(plan, 2));
        }
  }
}

TEST(ExecutorRanks, ScreenedByBfloat16HaveTheRanksOfTheHost) {
  const auto equal_rows = [](std::uint64_t, std::size_t) { return 0.7F; };
  const auto tiny = [](std::uint64_t row, std::size_t k) { return 1e-25F * normals(4)(row, k); };
  const auto near_ties = [](std::uint64_t row, std::size_t k) { return 1 + 1e-6F * normals(5)(row, k); };
  for (const Entry& entity : {normals(3), small_integers(1), Entry(equal_rows), Entry(tiny), Entry(near_ties)}) {
    const ModelValues model = values("complex", entity);
    const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
    for (std::size_t k = 0; k < kPlans.size(); ++k) {
      const std::int32_t ranks = 1 + static_cast<std::int32_t>(k) % 4;
      EvaluateCase how = on_ranks(ranks);
      how.ranker = rank_with({rounded_backend(ranks == 2 ? GridOrder::kBackward : GridOrder::kForward)}, kPlans[k]);
      expect_same(evaluate_on_ranks(shared_graph(), model, how), expected, describe(kPlans[k], ranks));
    }
  }
}

/// Ranks over rows that somebody else has in that memory space: copies, with something between the rows.
class OverBorrowedRows final : public search::Ranker {
 public:
  OverBorrowedRows(const search::Setup& setup, const Backend& backend, const Plan& plan, std::uint64_t block_queries,
                   float scale)
      : parameters_(setup.parameters),
        scale_(scale),
        ranker_(setup, like_a_device(backend).executor(setup), like_a_device(backend).sizes(setup, block_queries), plan,
                lend()) {}
  void begin() override {
    copy();
    ranker_.begin();
  }
  void start(const kernels::ConstMatrix& queries, std::span<const float> target_scores) override {
    ranker_.start(queries, target_scores);
  }
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override {
    ranker_.finish(n_greater, n_equal);
  }
  [[nodiscard]] const search::Cost& cost() const override { return ranker_.cost(); }

 private:
  static constexpr std::size_t kGap = 3;
  static OnHost like_a_device(const Backend& backend) { return {.backend = backend, .borrows = true}; }
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
      const kernels::ConstMatrix rows = parameters_.parts()[p].rows.matrix();
      for (std::size_t i = 0; i < rows.rows; ++i)
        for (std::size_t c = 0; c < rows.cols; ++c) copies_[p][i * (rows.cols + kGap) + c] = scale_ * rows.row(i)[c];
    }
  }

  const model::Parameters& parameters_;
  float scale_;
  std::vector<std::vector<float>> copies_;
  search::RankerOn<Space::kHost> ranker_;
};

search::MakeRanker over_borrowed_rows(bool screens, const Plan& plan, float scale = 1) {
  return [=](const search::Setup& setup, std::uint64_t block_queries) {
    const Backend& backend = screens ? rounded_backend(GridOrder::kForward) : kernels::cpu_backend();
    return std::make_unique<OverBorrowedRows>(setup, backend, plan, block_queries, scale);
  };
}

TEST(ExecutorRanks, OverRowsThatAreThereHaveTheRanksOfTheHost) {
  const ModelValues model = values("complex", normals(3));
  const Evaluated expected = evaluate_on_ranks(shared_graph(), model, on_ranks(1));
  for (const bool screens : {false, true})
    for (const Plan& plan : {Plan{1000, 1000, 1000}, Plan{13, 11, 4}, Plan{20, 60, 7}})
      for (const std::int32_t ranks : {1, 3}) {
        EvaluateCase how = on_ranks(ranks);
        how.ranker = over_borrowed_rows(screens, {plan.queries, plan.window_rows, screens ? plan.tile_rows : 0});
        expect_same(evaluate_on_ranks(shared_graph(), model, how), expected, describe(plan, ranks));
      }
  EvaluateCase other = on_ranks(1);  // rows that are not the model's: they are what is compared, and it is noticed
  other.ranker = over_borrowed_rows(false, {1000, 1000, 0}, 0.9F);
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

TEST(ExecutorRanks, SayHowManyPairsWereScoredAgain) {
  const LogScope log;
  EvaluateCase how = on_ranks(2);
  how.ranker = rank_with({rounded_backend(GridOrder::kForward)}, {1000, 1000, 1000});
  (void)evaluate_on_ranks(shared_graph(), values("complex", normals(3)), how);
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_TRUE(log.lines()[0].starts_with("screened 7,200 pairs of query and entity; ")) << log.lines()[0];  // 120 x 60
}

// Parameters change between the validations of a training run.
TEST(ExecutorRanks, SeeParametersThatHaveChanged) {
  const auto self = [&](const search::MakeRanker& ranker) {
    std::vector<std::string> digests;
    comm::run_ranks(1, [&](comm::Communicator& comm) {
      memory::Pool pool(64U << 20U);
      const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
      ModelValues model = values("complex", normals(3));
      model::Parameters parameters(shard, model.job(), model::StateShape::kNone, pool);
      execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(1));
      evaluate::Evaluator evaluator({{comm, shard, host}, parameters}, {}, ranker);
      for (const std::uint64_t seed : {3U, 4U, 3U}) {
        model.entity = normals(seed);
        fill(model, shard, parameters);
        digests.push_back(evaluator.run(graph::Split::kTest).rank_digest);
      }
    });
    return digests;
  };
  const std::vector<std::string> expected = self(search::rank_on_host());
  EXPECT_NE(expected[0], expected[1]);
  EXPECT_EQ(self(rank_with({kernels::cpu_backend()}, {100, 100, 0})), expected);
  EXPECT_EQ(self(rank_with({rounded_backend(GridOrder::kForward)}, {100, 100, 100})), expected);
}

}  // namespace
}  // namespace tessera::test

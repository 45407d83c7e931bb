// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Answering as a device does it gives the answers of the host, however it is cut to the memory that there is.
#include "predict/detail/resident_best.hpp"

#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "predict/device_best.hpp"
#include "predict/prediction_file.hpp"
#include "predict_run.hpp"
#include "support/expect_error.hpp"
#include "support/rounded_scores.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

using kernels::GridOrder;
using kernels::Products;
using kernels::Space;
using predict::KnownAnswers;
using predict::detail::SearchKernels;
using predict::detail::SearchPlan;
using predict::detail::SearchSizes;

/// Answering as on a device, in memory and over kernels of the host.
class OnHost final : public predict::detail::OwnBest {
 public:
  OnHost(const model::Setup& setup, const predict::detail::SearchNeeds& needs,
         const SearchKernels<Space::kHost>& kernels, const SearchPlan& plan)
      : place_(setup.pool), best_(setup, needs, place_, kernels, plan) {}
  void search(const predict::detail::SearchBlock& block, std::span<predict::detail::Candidate> found,
              std::span<std::uint32_t> sizes) override {
    best_.search(block, found, sizes);
  }
  [[nodiscard]] model::PairEffort effort() const override { return best_.effort(); }

 private:
  memory::Place<Space::kHost> place_;
  predict::detail::ResidentBest<Space::kHost> best_;
};

predict::MakeBest with_kernels(const SearchKernels<Space::kHost>& kernels, const SearchPlan& plan) {
  return [=](const model::Setup& setup, const predict::detail::SearchNeeds& needs) {
    return std::make_unique<OnHost>(setup, needs, kernels, plan);
  };
}

/// By exact scores of a backend.
predict::MakeBest resident(const kernels::Backend& backend, const kernels::BestRows& best, const SearchPlan& plan) {
  return with_kernels({&backend.scores, &best}, plan);
}

/// By products in bfloat16 first, screened by the kernel bodies of a device.
predict::MakeBest screened(GridOrder order, const SearchPlan& plan) {
  static const RoundedScores rounded;
  return with_kernels({&rounded, &kernels::host_grid_best_rows(order), &kernels::host_grid_screened_ranks(order),
                       RoundedScores::kRoundoff},
                      plan);
}

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 40, .relations = 2, .train = 250, .valid = 40, .test = 40}),
                                  8);
  return stored;
}

predict::QuestionSource all_of_them() { return questions_in(all_questions(shared_graph().graph())); }

ModelValues values(const char* scorer, Entry entity) {
  ModelValues model;
  model.scorer = scorer;
  model.dim = 22;
  model.entity = std::move(entity);
  return model;
}

/// All rows at once; windows that cut through parts; few queries at once; lists that overflow; hardly any room at all.
const std::vector<SearchPlan> kPlans = {{{1000, 1000, 1000}, 100000, 100000},
                                        {{1000, 17, 7}, 3000, 900},
                                        {{13, 11, 4}, 600, 26},
                                        {{7, 1, 1}, 40, 7},
                                        {{5, 1000, 64}, 200, 300}};

std::vector<PredictCase> cases() {
  std::vector<PredictCase> all;
  for (const KnownAnswers known : {KnownAnswers::kMark, KnownAnswers::kOmit})
    for (const std::uint64_t k : {1, 7, 1000}) {
      PredictCase how;
      how.backend = &kernels::cpu_backend();
      how.options = {.k = k, .known = known, .block_queries = 37};
      all.push_back(how);
    }
  return all;
}

std::string describe(const SearchPlan& plan, const PredictCase& how) {
  return fmt::format("{} queries, {} rows, tiles of {}, {} keys, {} ranks, k = {}{}", plan.pieces.queries,
                     plan.pieces.window_rows, plan.pieces.tile_rows, plan.keys, how.ranks, how.options.k,
                     how.options.known == KnownAnswers::kOmit ? ", known answers left out" : "");
}

TEST(ResidentBest, HasTheAnswersOfTheHost) {
  struct Over {
    const kernels::Backend& backend;
    const kernels::BestRows& best;
  };
  const std::vector<Over> kernels = {
      {kernels::reference_backend(), kernels::reference_best_rows()},
      {kernels::cpu_backend(), kernels::host_grid_best_rows(GridOrder::kForward)},
      {kernels::host_grid_backend(GridOrder::kForward), kernels::host_grid_best_rows(GridOrder::kForward)},
      {kernels::host_grid_backend(GridOrder::kBackward), kernels::host_grid_best_rows(GridOrder::kBackward)}};
  for (const ModelValues& model :
       {values("transe_l1", small_integers(1)), values("transe_l2", normals(3)), values("complex", small_integers(1))})
    for (PredictCase how : cases()) {
      how.ranks = 1;
      how.make_best = {};
      const auto expected = predictions_of(shared_graph(), model, how, all_of_them());
      for (std::size_t p = 0; p < kPlans.size(); ++p) {
        if (kPlans[p].pieces.window_rows == 1 && how.options.k != 7) continue;  // slow
        how.ranks = 1 + static_cast<std::int32_t>(p) % 3;
        how.threads = 1 + p % 2;
        how.make_best = resident(kernels[p % kernels.size()].backend, kernels[p % kernels.size()].best, kPlans[p]);
        EXPECT_TRUE(same_bits(predictions_of(shared_graph(), model, how, all_of_them()), expected))
            << model.scorer << " over " << kernels[p % kernels.size()].backend.name << ": " << describe(kPlans[p], how);
      }
    }
}

TEST(ResidentBest, ScreenedByBfloat16HasTheAnswersOfTheHost) {
  const auto equal_rows = [](std::uint64_t, std::size_t) { return 0.7F; };
  const auto tiny = [](std::uint64_t row, std::size_t k) { return 1e-25F * normals(4)(row, k); };
  const auto near_ties = [](std::uint64_t row, std::size_t k) { return 1 + 1e-6F * normals(5)(row, k); };
  for (const Entry& entity : {normals(3), small_integers(1), Entry(equal_rows), Entry(tiny), Entry(near_ties)})
    for (PredictCase how : cases()) {
      const ModelValues model = values("complex", entity);
      how.ranks = 1;
      how.make_best = {};
      const auto expected = predictions_of(shared_graph(), model, how, all_of_them());
      for (std::size_t p = 0; p < kPlans.size(); ++p) {
        if (kPlans[p].pieces.window_rows == 1 && how.options.k != 7) continue;  // slow
        how.ranks = 1 + static_cast<std::int32_t>(p) % 3;
        how.make_best = screened(how.ranks == 2 ? GridOrder::kBackward : GridOrder::kForward, kPlans[p]);
        EXPECT_TRUE(same_bits(predictions_of(shared_graph(), model, how, all_of_them()), expected))
            << describe(kPlans[p], how);
      }
    }
}

TEST(ResidentBest, SaysHowManyPairsWereScoredAgain) {
  std::vector<std::string> lines;
  log::set_sink([&](log::Level, std::string_view line) { lines.emplace_back(line); });
  PredictCase how;
  how.ranks = 2;
  how.make_best = screened(GridOrder::kForward, kPlans[0]);
  (void)predictions_of(shared_graph(), values("complex", normals(3)), how, all_of_them());
  log::set_sink({});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("screened 6,400 pairs of query and entity; ")) << lines[0];  // 160 x 40
}

TEST(ResidentBest, RefusesMoreKnownAnswersThanItHasRoomFor) {
  for (const std::int32_t ranks : {1, 2}) {
    PredictCase how;
    how.ranks = ranks;
    how.options.known = KnownAnswers::kOmit;
    how.options.k = 3;
    how.make_best = screened(GridOrder::kForward, {{10, 100, 100}, 4, 100});
    try {
      (void)predictions_of(shared_graph(), values("complex", normals(3)), how, all_of_them());
      ADD_FAILURE() << "no error";
    } catch (const comm::AgreedError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
      EXPECT_NE(std::string(error.what()).find("known answers of a query"), std::string::npos) << error.what();
    }
  }
}

TEST(SearchPlan, FitsTheRoomAndPrefersAllRows) {
  for (const Products products : {Products::kChain, Products::kTf32, Products::kBfloat16})
    for (const bool omit : {false, true})
      for (const SearchSizes& sizes : {SearchSizes{256, 10, omit, 14541, 2000, products},
                                       {64, 1000, omit, 1000000, 100, products},
                                       {1, 1, omit, 1, 1, products}}) {
        const std::uint64_t rows_bytes = sizes.own_rows * sizes.dim * sizeof(float);
        std::uint64_t least_resident = UINT64_MAX;
        for (std::uint64_t room = std::uint64_t{64} << 30U; room > 1000; room = room / 8 * 7) {
          SearchPlan plan;
          try {
            plan = plan_search(sizes, room);
          } catch (const Error& error) {
            EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
            EXPECT_LT(room, std::uint64_t{40} << 20U);  // cuBLAS has 32 MiB of its own
            break;
          }
          ASSERT_LE(place_bytes(plan, sizes), room);
          ASSERT_GE(plan.pieces.queries, 1U);
          ASSERT_LE(plan.pieces.queries, sizes.block_queries);
          ASSERT_GE(plan.pieces.window_rows, 1U);
          ASSERT_LE(plan.pieces.window_rows, sizes.own_rows);
          ASSERT_GE(plan.pieces.tile_rows, 1U);
          ASSERT_LE(plan.pieces.tile_rows, plan.pieces.window_rows);
          ASSERT_GE(plan.keys, std::min(sizes.k, sizes.own_rows));
          ASSERT_EQ(plan.listed > 0, products != Products::kChain);
          if (plan.pieces.window_rows == sizes.own_rows) least_resident = room;
        }
        EXPECT_LT(least_resident, 4 * rows_bytes + (std::uint64_t{64} << 20U));
      }
}

TEST(SearchPlan, RefusesWhatDoesNotFit) {
  expect_error(ExitStatus::kOverBudget,
               {"searching answers on the device needs at least", "answer with run.device=cpu"}, [] {
                 (void)predict::detail::plan_search({256, 10, false, 1000, 100, Products::kBfloat16}, 1U << 20U);
               });
}

}  // namespace
}  // namespace tessera::test

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One answerer: answers do not depend on the executor, nor on how the work is cut to the memory that there is.
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "predict_run.hpp"
#include "support/search_on_host.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

using kernels::GridOrder;
using predict::KnownAnswers;
using search::AnswerPlan;

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
const std::vector<AnswerPlan> kPlans = {{{1000, 1000, 1000}, 100000, 100000},
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

std::string describe(const AnswerPlan& plan, const PredictCase& how) {
  return fmt::format("{} queries, {} rows, tiles of {}, {} keys, {} ranks, k = {}{}", plan.pieces.queries,
                     plan.pieces.window_rows, plan.pieces.tile_rows, plan.keys, how.ranks, how.options.k,
                     how.options.known == KnownAnswers::kOmit ? ", known answers left out" : "");
}

TEST(ExecutorAnswers, HasTheAnswersOfTheHost) {
  const std::vector<const Backend*> backends = {&kernels::reference_backend(), &kernels::cpu_backend(),
                                                &kernels::host_grid_backend(GridOrder::kForward),
                                                &kernels::host_grid_backend(GridOrder::kBackward)};
  for (const ModelValues& model :
       {values("transe_l1", small_integers(1)), values("transe_l2", normals(3)), values("complex", small_integers(1))})
    for (PredictCase how : cases()) {
      how.ranks = 1;
      how.answerer = search::answer_on_host();
      const auto expected = predictions_of(shared_graph(), model, how, all_of_them());
      for (std::size_t p = 0; p < kPlans.size(); ++p) {
        if (kPlans[p].pieces.window_rows == 1 && how.options.k != 7) continue;  // slow
        how.ranks = 1 + static_cast<std::int32_t>(p) % 3;
        how.threads = 1 + p % 2;
        const Backend& backend = *backends[p % backends.size()];
        how.answerer = answer_with({.backend = backend, .borrows = p % 2 == 1}, kPlans[p]);
        EXPECT_TRUE(same_bits(predictions_of(shared_graph(), model, how, all_of_them()), expected))
            << model.scorer << " over " << backend.name << ": " << describe(kPlans[p], how);
      }
    }
}

TEST(ExecutorAnswers, AreTheSameInBlocksOfAnySizeOnAnyNumberOfThreads) {
  const ModelValues model = values("complex", small_integers(1));
  for (PredictCase how : cases()) {
    how.answerer = search::answer_on_host();
    const auto expected = predictions_of(shared_graph(), model, how, all_of_them());
    for (const std::size_t threads : {1, 2, 5})
      for (const AnswerPlan& plan : {AnswerPlan{{1000, 1000, 1000}, 40000, 0}, AnswerPlan{{13, 11, 4}, 600, 0}}) {
        how.answerer = answer_with({kernels::cpu_backend(), execution::HostThreads(threads), threads == 2}, plan);
        EXPECT_TRUE(same_bits(predictions_of(shared_graph(), model, how, all_of_them()), expected))
            << threads << " threads: " << describe(plan, how);
      }
  }
}

TEST(ExecutorAnswers, ScreenedByBfloat16HasTheAnswersOfTheHost) {
  const auto equal_rows = [](std::uint64_t, std::size_t) { return 0.7F; };
  const auto tiny = [](std::uint64_t row, std::size_t k) { return 1e-25F * normals(4)(row, k); };
  const auto near_ties = [](std::uint64_t row, std::size_t k) { return 1 + 1e-6F * normals(5)(row, k); };
  for (const Entry& entity : {normals(3), small_integers(1), Entry(equal_rows), Entry(tiny), Entry(near_ties)})
    for (PredictCase how : cases()) {
      const ModelValues model = values("complex", entity);
      how.ranks = 1;
      how.answerer = search::answer_on_host();
      const auto expected = predictions_of(shared_graph(), model, how, all_of_them());
      for (std::size_t p = 0; p < kPlans.size(); ++p) {
        if (kPlans[p].pieces.window_rows == 1 && how.options.k != 7) continue;  // slow
        how.ranks = 1 + static_cast<std::int32_t>(p) % 3;
        how.answerer =
            answer_with({rounded_backend(how.ranks == 2 ? GridOrder::kBackward : GridOrder::kForward)}, kPlans[p]);
        EXPECT_TRUE(same_bits(predictions_of(shared_graph(), model, how, all_of_them()), expected))
            << describe(kPlans[p], how);
      }
    }
}

TEST(ExecutorAnswers, SaysHowManyPairsWereScoredAgain) {
  std::vector<std::string> lines;
  log::set_sink([&](log::Level, std::string_view line) {
    if (line.starts_with("screened")) lines.emplace_back(line);
  });
  PredictCase how;
  how.ranks = 2;
  how.answerer = answer_with({rounded_backend(GridOrder::kForward)}, kPlans[0]);
  (void)predictions_of(shared_graph(), values("complex", normals(3)), how, all_of_them());
  log::set_sink({});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("screened 6,400 pairs of query and entity; ")) << lines[0];  // 160 x 40
}

TEST(ExecutorAnswers, RefusesMoreKnownAnswersThanItHasRoomFor) {
  for (const std::int32_t ranks : {1, 2}) {
    PredictCase how;
    how.ranks = ranks;
    how.options.known = KnownAnswers::kOmit;
    how.options.k = 3;
    how.answerer = answer_with({rounded_backend(GridOrder::kForward)}, {{10, 100, 100}, 4, 100});
    try {
      (void)predictions_of(shared_graph(), values("complex", normals(3)), how, all_of_them());
      ADD_FAILURE() << "no error";
    } catch (const comm::AgreedError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
      EXPECT_NE(std::string(error.what()).find("known answers of a query"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace tessera::test

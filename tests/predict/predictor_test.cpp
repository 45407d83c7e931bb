// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include "comm/agreement.hpp"
#include "predict_run.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::test {
namespace {

using graph::Split;
using predict::KnownAnswers;
using predict::KnownIn;
using predict::Prediction;
using predict::Side;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 40, .relations = 2, .train = 250, .valid = 40, .test = 40}),
                                  8);
  return stored;
}

/// Where each known answer of a query is known.
std::map<EntityId, KnownIn> known_answers(const BruteForce& oracle, EntityId source, RelationId relation) {
  std::map<EntityId, KnownIn> known;
  for (const Split split : graph::kSplits)
    for (const EntityId answer : oracle.known(source, relation, std::span(&split, 1)))
      known.emplace(answer, static_cast<KnownIn>(static_cast<std::uint8_t>(split) + 1));
  return known;
}

/// Sorts all entities by (score, global id) and compares the first k.
void expect_brute_force(const StoredGraph& stored, const ModelValues& values, const PredictCase& how,
                        const Prediction& prediction) {
  const BruteForce oracle(stored, values);
  const EntityId source = stored.global_id(prediction.question.entity);
  const auto relations = static_cast<std::uint32_t>(stored.graph().relations);
  const RelationId relation(prediction.question.relation + (prediction.question.side == Side::kHead ? relations : 0));
  const std::vector<double> scores = oracle.scores(source, relation);
  const std::map<EntityId, KnownIn> known = known_answers(oracle, source, relation);
  std::vector<EntityId> order;
  for (std::uint64_t e = 0; e < scores.size(); ++e)
    if (how.options.known == KnownAnswers::kMark || !known.contains(EntityId(e))) order.emplace_back(e);
  std::stable_sort(order.begin(), order.end(),
                   [&](EntityId a, EntityId b) { return scores[a.index()] > scores[b.index()]; });
  order.resize(std::min<std::size_t>(order.size(), how.options.k));

  EXPECT_EQ(prediction.entity, entity_name(prediction.question.entity));
  EXPECT_EQ(prediction.relation, relation_name(prediction.question.relation));
  ASSERT_EQ(prediction.answers.size(), order.size());
  ASSERT_EQ(prediction.answer_names.size(), order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(prediction.answers[i].entity, stored.original_id(order[i]));
    EXPECT_EQ(prediction.answer_names[i], entity_name(stored.original_id(order[i])));
    EXPECT_FLOAT_EQ(prediction.answers[i].score, static_cast<float>(scores[order[i].index()]));
    EXPECT_EQ(prediction.answers[i].known_in, known.contains(order[i]) ? known.at(order[i]) : KnownIn::kNowhere);
  }
}

class PredictorTest : public testing::TestWithParam<std::tuple<const char*, const kernels::Backend*, KnownAnswers>> {
 protected:
  [[nodiscard]] static ModelValues values() {
    ModelValues model;
    model.scorer = std::get<0>(GetParam());
    return model;
  }
  [[nodiscard]] static PredictCase how() {
    PredictCase how;
    how.backend = std::get<1>(GetParam());
    how.options.known = std::get<2>(GetParam());
    how.options.k = 7;
    how.options.block_queries = 37;
    return how;
  }
};

TEST_P(PredictorTest, EqualsBruteForceWithManyTies) {
  const auto questions = all_questions(shared_graph().graph());
  const auto predictions = predictions_of(shared_graph(), values(), how(), questions_in(questions));
  ASSERT_EQ(predictions.size(), questions.size());
  for (const Prediction& prediction : predictions) expect_brute_force(shared_graph(), values(), how(), prediction);
}

TEST_P(PredictorTest, SameBitsOnAnyNumberOfRanksAndThreads) {
  const auto questions = questions_in(all_questions(shared_graph().graph()));
  const auto expected = predictions_of(shared_graph(), values(), how(), questions);
  for (const std::int32_t ranks : {2, 3, 4, 7}) {
    for (const std::size_t threads : {1U, 2U}) {
      PredictCase other = how();
      other.ranks = ranks;
      other.threads = threads;
      other.options.block_queries = 20 + static_cast<std::uint64_t>(ranks);
      EXPECT_TRUE(same_bits(predictions_of(shared_graph(), values(), other, questions), expected))
          << ranks << " ranks, " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PredictorTest,
                         testing::Combine(testing::Values("transe_l1", "transe_l2", "distmult", "complex"),
                                          testing::Values(&kernels::reference_backend(), &kernels::cpu_backend()),
                                          testing::Values(KnownAnswers::kMark, KnownAnswers::kOmit)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param)) + "_" + std::get<1>(instance.param)->name +
                                  (std::get<2>(instance.param) == KnownAnswers::kMark ? "_mark" : "_omit");
                         });

TEST(PredictorEdgeTest, MoreAnswersThanEntities) {
  for (const KnownAnswers known : {KnownAnswers::kMark, KnownAnswers::kOmit}) {
    PredictCase how;
    how.ranks = 3;
    how.options.k = 1000;
    how.options.known = known;
    const auto predictions =
        predictions_of(shared_graph(), {}, how, questions_in(all_questions(shared_graph().graph())));
    for (const Prediction& prediction : predictions) expect_brute_force(shared_graph(), {}, how, prediction);
    EXPECT_EQ(predictions.front().answers.size() == shared_graph().graph().entities, known == KnownAnswers::kMark);
  }
}

TEST(PredictorEdgeTest, AllEntitiesAreOne) {
  ModelValues model;
  model.entity = [](std::uint64_t, std::size_t) { return 1.0F; };
  PredictCase how;
  how.ranks = 4;
  for (const Prediction& prediction :
       predictions_of(shared_graph(), model, how, questions_in(all_questions(shared_graph().graph()))))
    expect_brute_force(shared_graph(), model, how, prediction);
}

TEST(PredictorEdgeTest, ASmallBudgetMeansSmallerBlocks) {
  const auto questions = questions_in(all_questions(shared_graph().graph()));
  PredictCase how;
  const auto expected = predictions_of(shared_graph(), {}, how, questions);
  how.budget_bytes = 100'000;
  how.ranks = 2;
  EXPECT_TRUE(same_bits(predictions_of(shared_graph(), {}, how, questions), expected));
}

TEST(PredictorMemoryTest, OfASearchIsWhatWasPlanned) {
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
    const ModelValues model;
    model::Parameters parameters(shard, model.job(), model::StateShape::kNone, pool);
    fill(model, shard, parameters);
    execution::HostExecutor host(pool, kernels::cpu_backend(), execution::HostThreads(2));
    const search::Setup setup{{comm, shard, host}, parameters};
    const std::uint64_t before = pool.used_bytes();
    const predict::Searcher searcher(setup, shared_graph().partition_folder(), {.k = 7});
    const search::AnswerSizes sizes = search::host_answer_sizes(setup, searcher.block_queries(), 7, false);
    const std::uint64_t original_ids = search::host_bytes<std::uint64_t>(sizes.sizes.rows);
    EXPECT_EQ(pool.used_bytes() - before, predict::Searcher::bytes(sizes, 2) + original_ids);
  });
}

struct Failure {
  ExitStatus status = ExitStatus::kDone;
  std::string message;
};

Failure failure_of(const ModelValues& model, const PredictCase& how, const predict::QuestionSource& questions) {
  try {
    predictions_of(shared_graph(), model, how, questions);
  } catch (const comm::AgreedError& error) {
    return {error.status(), error.what()};
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(PredictorErrorTest, UnknownNamesGetSuggestions) {
  for (const std::int32_t ranks : {1, 3}) {
    PredictCase how;
    how.ranks = ranks;
    const Failure entity =
        failure_of({}, how, questions_in({{"e00003", "r0001", Side::kTail, {}, "q.tsv:4", ExitStatus::kBadData}}));
    EXPECT_EQ(entity.status, ExitStatus::kBadData);
    EXPECT_NE(entity.message.find(
                  "q.tsv:4: entity 'e00003' is not in the graph; did you mean 'e000030', 'e000031', 'e000032'?"),
              std::string::npos)
        << entity.message;
    const std::vector<std::string> words = {"e000001", "r001"};
    const Failure relation = failure_of({}, how, predict::typed_questions({words}));
    EXPECT_EQ(relation.status, ExitStatus::kUsage);
    EXPECT_NE(relation.message.find("relation 'r001' is not in the graph; did you mean 'r0001'"), std::string::npos)
        << relation.message;
    const Failure nothing = failure_of({}, how, questions_in({}));
    EXPECT_EQ(nothing.status, ExitStatus::kBadData);
  }
}

TEST(PredictorErrorTest, NumbersMustBeNumbers) {
  PredictCase how;
  how.ranks = 2;
  const std::vector<std::string> words = {"?", "r0001", "e000002"};
  ModelValues model;
  model.entity = [](std::uint64_t, std::size_t) { return std::nanf(""); };
  EXPECT_NE(failure_of(model, how, predict::typed_questions({words})).message.find("not finite"), std::string::npos);
  model.entity = [](std::uint64_t, std::size_t) { return 2.0F; };
  model.relation = [](std::uint64_t row, std::size_t) { return row == 3 ? 3e38F : 1.0F; };  // r0001 inverse
  const Failure failure = failure_of(model, how, predict::typed_questions({words}));
  EXPECT_EQ(failure.status, ExitStatus::kBadData);
  EXPECT_NE(failure.message.find("query 1 are not numbers"), std::string::npos) << failure.message;
}

TEST(PredictorErrorTest, NoAnswersWanted) {
  PredictCase how;
  how.options.k = 0;
  EXPECT_EQ(failure_of({}, how, questions_in(all_questions(shared_graph().graph()))).status, ExitStatus::kUsage);
}

TEST(PredictorEdgeTest, IdsThatAreNoPermutationAreRefused) {
  const ModelValues values;
  const auto ask = [&](const StoredGraph& stored, std::int32_t ranks) {
    PredictCase how;
    how.ranks = ranks;
    (void)predictions_of(stored, values, how, questions_in(all_questions(stored.graph())));
  };
  for (const std::int32_t ranks : {1, 3}) {
    StoredGraph stored(shared_graph().graph(), 8);
    EXPECT_NO_THROW(ask(stored, ranks));
    stored.set_new_id(5, stored.global_id(6).value());
    expect_error(ExitStatus::kBadData, {"manifest.h5", "/new_ids", "not a permutation"}, [&] { ask(stored, ranks); });
    stored.set_new_id(5, stored.global_id(5).value());
    EXPECT_NO_THROW(ask(stored, ranks));
    stored.set_original_id(EntityId(0), stored.original_id(EntityId(39)));  // the other one is on the last rank
    expect_error(ExitStatus::kBadData, {"/entities/original_id", "not a permutation"}, [&] { ask(stored, ranks); });
  }
}

}  // namespace
}  // namespace tessera::test

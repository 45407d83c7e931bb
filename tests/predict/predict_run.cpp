// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict_run.hpp"

#include <utility>

namespace tessera::test {

using predict::Prediction;
using predict::Question;
using predict::Side;

void predict_on_ranks(const StoredGraph& stored, const ModelValues& values, const PredictCase& how,
                      const predict::QuestionSource& questions, const UsePredictor& use) {
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(how.budget_bytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    const model::Setup setup{comm, shard, parameters, *how.backend, pool, how.threads};
    predict::Predictor predictor(setup, {stored.folder(), stored.partition_folder()}, questions, how.options);
    use(predictor, comm.rank() == Rank(0));
  });
}

std::vector<Prediction> predictions_of(const StoredGraph& stored, const ModelValues& values, const PredictCase& how,
                                       const predict::QuestionSource& questions) {
  std::vector<Prediction> predictions;
  predict_on_ranks(stored, values, how, questions, [&](predict::Predictor& predictor, bool) {
    predictor.run([&](const Prediction& prediction) { predictions.push_back(prediction); });
  });
  return predictions;
}

predict::QuestionSource questions_in(std::vector<Question> questions) {
  return [questions = std::move(questions)](const std::function<void(const Question&)>& consume) {
    for (const Question& question : questions) consume(question);
  };
}

std::vector<Question> all_questions(const TestGraph& graph) {
  std::vector<Question> questions;
  for (std::uint64_t entity = 0; entity < graph.entities; ++entity)
    for (std::uint64_t relation = 0; relation < graph.relations; ++relation)
      for (const Side side : {Side::kTail, Side::kHead})
        questions.push_back({entity_name(entity), relation_name(relation), side, "memory", ExitStatus::kBadData});
  return questions;
}

}  // namespace tessera::test

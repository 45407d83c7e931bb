// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict_run.hpp"

#include <algorithm>
#include <bit>
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
    execution::HostExecutor host(pool, *how.backend, execution::HostThreads(how.threads));
    const search::Setup setup{{comm, shard, host}, parameters};
    predict::Predictor predictor(setup, {stored.folder(), stored.partition_folder()}, questions, [&] {
      return std::make_unique<predict::Searcher>(setup, stored.partition_folder(), how.options, how.answerer);
    });
    use(predictor, comm.is_root());
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

bool same_bits(const std::vector<Prediction>& a, const std::vector<Prediction>& b) {
  const auto same_answer = [](const predict::Answer& x, const predict::Answer& y) {
    return x.entity == y.entity && std::bit_cast<std::uint32_t>(x.score) == std::bit_cast<std::uint32_t>(y.score) &&
           x.known_in == y.known_in;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Prediction& x, const Prediction& y) {
    return x.entity == y.entity && x.relation == y.relation && x.question.side == y.question.side &&
           x.answer_names == y.answer_names &&
           std::equal(x.answers.begin(), x.answers.end(), y.answers.begin(), y.answers.end(), same_answer);
  });
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
        questions.push_back({entity_name(entity), relation_name(relation), side, {}, "memory", ExitStatus::kBadData});
  return questions;
}

}  // namespace tessera::test

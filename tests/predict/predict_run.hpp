// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/thread/thread_communicator.hpp"
#include "predict/predictor.hpp"
#include "predict/searcher.hpp"
#include "support/model_fixture.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tessera::test {

/// How predictions are made.
struct PredictCase {
  std::int32_t ranks = 1;
  std::size_t threads = 1;
  predict::SearchOptions options;
  const kernels::Backend* backend = &kernels::reference_backend();
  std::uint64_t budget_bytes = 64U << 20U;
  search::MakeAnswerer answerer = search::answer_on_host();
};

/// Runs a predictor on every rank; `use` gets it and, as a second argument, whether this is rank 0.
using UsePredictor = std::function<void(predict::Predictor&, bool)>;
void predict_on_ranks(const StoredGraph& stored, const ModelValues& values, const PredictCase& how,
                      const predict::QuestionSource& questions, const UsePredictor& use);

/// All predictions, as rank 0 got them.
std::vector<predict::Prediction> predictions_of(const StoredGraph& stored, const ModelValues& values,
                                                const PredictCase& how, const predict::QuestionSource& questions);

/// The same answers in the same order, to the last bit of their scores.
bool same_bits(const std::vector<predict::Prediction>& a, const std::vector<predict::Prediction>& b);

/// A source of questions that are in memory.
predict::QuestionSource questions_in(std::vector<predict::Question> questions);

/// Every entity with every relation, both sides.
std::vector<predict::Question> all_questions(const TestGraph& graph);

}  // namespace tessera::test

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/answer_search.hpp"
#include "predict/names.hpp"
#include "predict/question.hpp"
#include "predict/shown_attributes.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tessera::predict {

/// The answers of one question, by name and by id.
struct Prediction {
  ResolvedQuestion question;
  std::string entity;
  std::string relation;  ///< empty where relations are asked for
  Answers answers;       ///< best first; relations where these are asked for
  std::vector<std::string> answer_names;
  std::vector<std::vector<Shown>> shown = {};  ///< of each answer, the attributes that were asked for; or empty
  std::string other = {};                      ///< the tail where relations are asked for
};

/// Receives predictions in the order of the questions, on rank 0 only.
using PredictionConsumer = std::function<void(const Prediction&)>;

struct PredictInput {
  std::filesystem::path graph_folder;      ///< DATA.kg
  std::filesystem::path partition_folder;  ///< DATA.kg/parts-P
  std::vector<std::string> show = {};      ///< attributes to show beside answers
};

/// Answers questions by name: rank 0 reads and resolves them, all ranks search, rank 0 hands out the answers with
/// names.
class Predictor {
 public:
  /// Collective. `questions` is asked on rank 0 only. Every question is resolved before anything is searched: a name
  /// that does not exist is one error and no output. `make` is called once, by all ranks together. Throws AgreedError
  /// as Names, the search and the questions throw.
  Predictor(const search::Ranks& ranks, const PredictInput& input, const QuestionSource& questions,
            const MakeAnswerSearch& make);

  /// Collective. Searches block by block; memory does not grow with the number of questions, but for 16 bytes each.
  void run(const PredictionConsumer& consume);

  [[nodiscard]] std::uint64_t question_count() const { return question_count_; }
  /// k, or the entities when they are fewer.
  [[nodiscard]] std::uint64_t most_answers() const { return search_->most_answers(); }
  /// On rank 0.
  [[nodiscard]] const Names& names() const { return *names_; }
  /// On rank 0; null when none was asked for.
  [[nodiscard]] const ShownAttributes* shown() const { return shown_.get(); }

 private:
  /// A question as all ranks get it.
  struct Asked {
    search::Query query;
    EntityId other;
    std::uint64_t asks_relation = 0;
  };
  std::vector<Answers> answer(std::span<const Asked> asked);
  void name_answers(std::span<const ResolvedQuestion> questions, std::vector<Answers> answers,
                    const PredictionConsumer& consume) const;

  search::Ranks setup_;
  std::unique_ptr<Names> names_;             // rank 0
  std::unique_ptr<ShownAttributes> shown_;   // rank 0
  std::vector<ResolvedQuestion> questions_;  // rank 0
  std::uint64_t question_count_ = 0;
  std::unique_ptr<AnswerSearch> search_;
};

}  // namespace tessera::predict

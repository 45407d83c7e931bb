// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <span>
#include <tuple>
#include <utility>

namespace tessera::predict {
namespace {

/// Names of ids in any order, each block of names decoded once.
template <class NameOf>
std::vector<std::string> names_of(const std::vector<std::uint64_t>& ids, const NameOf& name_of) {
  std::vector<std::size_t> order(ids.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ids[a] < ids[b]; });
  std::vector<std::string> names(ids.size());
  for (const std::size_t i : order) names[i] = name_of(ids[i]);
  return names;
}

}  // namespace

Predictor::Predictor(const search::Setup& setup, const PredictInput& input, const QuestionSource& questions,
                     const SearchOptions& options, const search::MakeAnswerer& make_answerer)
    : setup_(setup) {
  comm::on_root(setup_.comm, [&] {
    names_ = std::make_unique<Names>(input.graph_folder, input.partition_folder);
    if (!input.show.empty())
      shown_ = std::make_unique<ShownAttributes>(input.graph_folder, input.show, setup_.host.pool());
    questions([&](const Question& question) { questions_.push_back(names_->resolve(question)); });
    if (questions_.empty()) fail(ExitStatus::kBadData, "no queries were given");
    if (names_->entity_count() != setup_.shard.manifest.entity_count)
      fail(ExitStatus::kBadData, "'{}' is not the graph of the partition", input.graph_folder.string());
  });
  question_count_ = questions_.size();
  setup_.comm.broadcast_values(std::span(&question_count_, 1), Rank(0));
  searcher_ = std::make_unique<Searcher>(setup_, input.partition_folder, options, make_answerer);
}

void Predictor::run(const PredictionConsumer& consume) {
  std::vector<search::Query> block;
  for (std::uint64_t first = 0; first < question_count_; first += block.size()) {
    block.assign(std::min(searcher_->block_queries(), question_count_ - first), search::Query{});
    comm::on_root(setup_.comm, [&] {
      for (std::size_t i = 0; i < block.size(); ++i) block[i] = names_->to_search(questions_[first + i]);
    });
    setup_.comm.broadcast_values(std::span(block), Rank(0));
    std::vector<Answers> answers = searcher_->search(block);
    comm::on_root(setup_.comm, [&] {
      name_answers(std::span(questions_).subspan(first, block.size()), std::move(answers), consume);
    });
  }
  searcher_->log_cost();
}

void Predictor::name_answers(std::span<const ResolvedQuestion> questions, std::vector<Answers> answers,
                             const PredictionConsumer& consume) const {
  std::vector<std::uint64_t> ids;
  for (const ResolvedQuestion& question : questions) ids.push_back(question.entity);
  for (const Answers& list : answers)
    for (const Answer& answer : list) ids.push_back(answer.entity);
  std::vector<std::string> names = names_of(ids, [&](std::uint64_t id) { return names_->entity(id); });
  std::size_t next = questions.size();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    Prediction prediction{
        questions[i], std::move(names[i]), names_->relation(questions[i].relation), std::move(answers[i]), {}, {}};
    for (std::size_t k = 0; k < prediction.answers.size(); ++k)
      prediction.answer_names.push_back(std::move(names[next++]));
    if (shown_)
      for (const Answer& answer : prediction.answers) prediction.shown.push_back(shown_->of(answer.entity));
    consume(prediction);
  }
}

}  // namespace tessera::predict

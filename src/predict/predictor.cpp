// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <chrono>
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

Predictor::Predictor(const search::Ranks& ranks, const PredictInput& input, const QuestionSource& questions,
                     const MakeAnswerSearch& make)
    : setup_(ranks) {
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
  search_ = make();
}

void Predictor::run(const PredictionConsumer& consume) {
  std::vector<Asked> block;
  double seconds = 0;
  for (std::uint64_t first = 0; first < question_count_; first += block.size()) {
    block.assign(std::min(search_->block_queries(), question_count_ - first), Asked{});
    comm::on_root(setup_.comm, [&] {
      for (std::size_t i = 0; i < block.size(); ++i) {
        const ResolvedQuestion& question = questions_[first + i];
        block[i].query = names_->to_search(question);
        if (question.side != Side::kRelation) continue;
        block[i].asks_relation = 1;
        block[i].other = names_->global_id(question.other);
      }
    });
    setup_.comm.broadcast_values(std::span(block), Rank(0));
    const auto start = std::chrono::steady_clock::now();
    std::vector<Answers> answers = answer(block);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    comm::on_root(setup_.comm, [&] {
      name_answers(std::span(questions_).subspan(first, block.size()), std::move(answers), consume);
    });
  }
  if (setup_.comm.is_root())
    log::info("searched the answers of {} {} in {:.3f} s", text::with_thousands(question_count_),
              question_count_ == 1 ? "query" : "queries", seconds);
  search_->log_cost();
}

/// Collective. Questions for entities are searched together, those for relations one by one.
std::vector<Answers> Predictor::answer(std::span<const Asked> asked) {
  std::vector<search::Query> queries;
  for (const Asked& question : asked)
    if (question.asks_relation == 0) queries.push_back(question.query);
  std::vector<Answers> found = queries.empty() ? std::vector<Answers>() : search_->search(queries);
  std::vector<Answers> answers;
  std::size_t next = 0;
  for (const Asked& question : asked) {
    if (question.asks_relation == 0) {
      answers.push_back(setup_.comm.is_root() ? std::move(found[next++]) : Answers());
      continue;
    }
    answers.push_back(search_->search_relations(question.query.source, question.other));
  }
  return answers;
}

void Predictor::name_answers(std::span<const ResolvedQuestion> questions, std::vector<Answers> answers,
                             const PredictionConsumer& consume) const {
  std::vector<std::uint64_t> ids;
  for (const ResolvedQuestion& question : questions) {
    ids.push_back(question.entity);
    ids.push_back(question.other);
  }
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (questions[i].side != Side::kRelation)
      for (const Answer& answer : answers[i]) ids.push_back(answer.entity);
  std::vector<std::string> names = names_of(ids, [&](std::uint64_t id) { return names_->entity(id); });
  std::size_t next = 2 * questions.size();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const bool asks_relation = questions[i].side == Side::kRelation;
    Prediction prediction{questions[i], std::move(names[2 * i]), {}, std::move(answers[i]), {}, {}, {}};
    if (asks_relation)
      prediction.other = std::move(names[2 * i + 1]);
    else
      prediction.relation = names_->relation(questions[i].relation);
    for (const Answer& answer : prediction.answers)
      prediction.answer_names.push_back(asks_relation ? names_->relation(answer.entity) : names[next++]);
    if (shown_)
      for (const Answer& answer : prediction.answers)
        prediction.shown.push_back(asks_relation ? shown_->nothing() : shown_->of(answer.entity));
    consume(prediction);
  }
}

}  // namespace tessera::predict

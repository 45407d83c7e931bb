// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/graph_scores.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace tessera::propagation {
namespace {

using kernels::ConstMatrix;
using memory::Tag;

constexpr std::uint64_t kMostConditions = 64;  // relations whose queries are shared out together
constexpr double kUnaskedCost = 1.2;           // of an Unasked, in queries

}  // namespace

/// The relation rows for the queries of one relation.
struct GraphScores::Condition {
  std::uint32_t relation = 0;
  memory::Buffer<float> rows;          // [2 R, dim], then those of each layer likewise
  std::vector<ConstMatrix> of_layers;  // views of them
  [[nodiscard]] std::span<const float> row(std::uint32_t directed, std::size_t dim) const {
    return rows.span().subspan(directed * dim, dim);
  }
};

/// The memory of a thread.
struct GraphScores::Worker {
  Walk entities;
  memory::Buffer<float> scores;  // [entities]
  std::vector<float> bias;
};

/// A query, and which of the conditions it has.
struct GraphScores::Task {
  std::size_t query;
  std::size_t condition;
  bool has_unasked;
};

/// What a call of score() is about.
struct GraphScores::Spread {
  std::span<const search::Query> queries;
  const Consume& consume;
};

GraphScores::GraphScores(std::unique_ptr<RelationRowMaker> model, std::shared_ptr<const MessageGraph> graph,
                         const execution::HostExecutor& host)
    : model_(std::move(model)),
      weights_(model_->weights()),
      graph_(std::move(graph)),
      host_(host),
      kernels_(kernels::cpu_propagation()),
      network_(kernels_, graph_->edges(), weights_.layers),
      all_nodes_(graph_->node_count()) {
  std::iota(all_nodes_.begin(), all_nodes_.end(), 0U);
  take_memory();
}

GraphScores::~GraphScores() = default;

void GraphScores::take_memory() {
  memory::Pool& pool = host_.pool();
  const std::uint64_t nodes = graph_->node_count();
  const std::uint64_t table = graph_->relation_count() * weights_.dim;  // relation rows
  const std::uint64_t condition_bytes = (weights_.layers.size() + 1) * table * sizeof(float);
  const std::uint64_t worker_bytes =
      Walk::bytes(network_) + model_->worker_bytes() + (nodes + Unasked::kBlockNodes * weights_.dim) * sizeof(float);
  if (worker_bytes + condition_bytes > pool.free_bytes())
    fail(ExitStatus::kOverBudget,
         "a query over {} entities and {} relations takes {} of memory, and {} of {} are free (in use: {}). Raise "
         "run.memory, or use fewer ranks on each host",
         nodes, graph_->relation_count() / 2, text::bytes(worker_bytes + condition_bytes),
         text::bytes(pool.free_bytes()), text::bytes(pool.budget_bytes()), pool.describe());
  std::uint64_t room = pool.free_bytes() / 2;
  const auto fitting = [&room](std::uint64_t bytes, std::uint64_t most) {
    const std::uint64_t count = std::clamp<std::uint64_t>(room / std::max<std::uint64_t>(1, bytes), 1, most);
    room -= std::min(room, count * bytes);
    return count;
  };
  const std::uint64_t workers = fitting(worker_bytes + condition_bytes, host_.workers());
  const std::uint64_t conditions = workers + fitting(condition_bytes, kMostConditions) - 1;
  for (std::uint64_t w = 0; w < workers; ++w)
    workers_.push_back({Walk(network_, pool), pool.allocate<float>(Tag::kEvaluation, nodes), {}});
  model_->take_workers(workers, pool);
  for (std::uint64_t c = 0; c < conditions; ++c) {
    Condition& condition = conditions_.emplace_back();
    condition.rows = pool.allocate<float>(Tag::kEvaluation, (weights_.layers.size() + 1) * table);
    for (std::size_t l = 1; l <= weights_.layers.size(); ++l)
      condition.of_layers.push_back(
          {condition.rows.data() + l * table, graph_->relation_count(), weights_.dim, weights_.dim});
  }
  if (weights_.layers.size() < 3 || Unasked::bytes(network_) + 2 * nodes * sizeof(float) > room) return;
  unasked_.emplace(network_, pool);
  unasked_sums_ = pool.allocate<float>(Tag::kEvaluation, workers * Unasked::kBlockNodes * weights_.dim);
  for (int side = 0; side < 2; ++side) unasked_scores_.push_back(pool.allocate<float>(Tag::kEvaluation, nodes));
}

std::uint32_t GraphScores::train_degree(EntityId entity) const {
  return static_cast<std::uint32_t>(graph_->degree(entity.value()));
}

/// The part of the score that comes from the query is the same for all entities.
kernels::ScoreWeights GraphScores::score_weights(std::span<const float> query, std::vector<float>& bias) const {
  const kernels::LinearWeights& all = weights_.hidden;
  bias.resize(all.outputs);
  const kernels::LinearWeights of_query{all.matrix + weights_.dim * all.outputs, all.bias, weights_.dim, all.outputs};
  kernels_.linear(of_query, {query.data(), 1, weights_.dim, weights_.dim}, false,
                  {bias.data(), 1, all.outputs, all.outputs});
  return {{all.matrix, bias.data(), weights_.dim, all.outputs}, weights_.output, weights_.output_bias};
}

void GraphScores::run_query(const Task& task, const Spread& spread, Worker& worker) const {
  const search::Query& query = spread.queries[task.query];
  const Condition& condition = conditions_[task.condition];
  const std::span<const float> row = condition.row(query.relation.value(), weights_.dim);
  worker.entities.run(network_, condition.of_layers, static_cast<std::uint32_t>(query.source.value()), row,
                      task.has_unasked ? &*unasked_ : nullptr);
  const std::span<float> scores = worker.scores.span();
  if (task.has_unasked) {
    const bool is_inverse = query.relation.value() >= graph_->relation_count() / 2;
    const auto unasked = unasked_scores_[is_inverse ? 1 : 0].span();
    std::copy(unasked.begin(), unasked.end(), scores.begin());
  }
  kernels_.score(score_weights(row, worker.bias), worker.entities.states(), worker.entities.changed(), scores);
  if (!std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); }))
    fail(ExitStatus::kBadData,
         "the scores of a query of relation {} are not numbers: the weights are too large, or not those of this model",
         query.relation.value());
  spread.consume(task.query, scores);
}

bool GraphScores::pays(std::span<const Task> group, const Spread& spread) {
  if (!unasked_) return false;
  const auto source = static_cast<std::uint32_t>(spread.queries[group.front().query].source.value());
  const double saved = workers_.front().entities.saved_share(network_, source);
  return saved * static_cast<double>(group.size()) > kUnaskedCost;
}

void GraphScores::run_unasked(const Condition& condition) {
  unasked_->run(network_, condition.of_layers, workers_.size(), unasked_sums_);
  const kernels::ConstPanels states = unasked_->states(weights_.layers.size());
  const auto relations = static_cast<std::uint32_t>(graph_->relation_count() / 2);
  std::vector<float> bias;
  for (std::uint32_t side = 0; side < 2; ++side) {
    const std::span<const float> row = condition.row(condition.relation % relations + side * relations, weights_.dim);
    const kernels::ScoreWeights weights = score_weights(row, bias);
    const std::size_t blocks = (all_nodes_.size() + Unasked::kBlockNodes - 1) / Unasked::kBlockNodes;
    parallel_for(blocks, workers_.size(), [&](std::size_t block) {
      const std::size_t first = block * Unasked::kBlockNodes;
      const std::size_t count = std::min(Unasked::kBlockNodes, all_nodes_.size() - first);
      kernels_.score(weights, states, std::span(all_nodes_).subspan(first, count), unasked_scores_[side].span());
    });
  }
}

void GraphScores::run_tasks(std::span<const Task> tasks, const Spread& spread) {
  parallel_for(tasks.size(), workers_.size(),
               [&](std::size_t i, std::size_t worker) { run_query(tasks[i], spread, workers_[worker]); });
}

/// Queries of one relation after the other: first those that share an Unasked, then all others together.
void GraphScores::run_conditions(std::span<Task> tasks, const Spread& spread) {
  const std::size_t count = tasks.back().condition + 1;
  std::vector<std::span<Task>> groups(count);
  for (std::size_t first = 0; first < tasks.size();) {
    std::size_t end = first;
    while (end < tasks.size() && tasks[end].condition == tasks[first].condition) ++end;
    groups[tasks[first].condition] = tasks.subspan(first, end - first);
    first = end;
  }
  parallel_for(count, workers_.size(), [&](std::size_t c, std::size_t worker) {
    conditions_[c].relation = spread.queries[groups[c].front().query].relation.value();
    model_->make(model_->condition_of(conditions_[c].relation), conditions_[c].rows.span(), worker);
  });
  std::vector<Task> rest;
  for (const std::span<Task> group : groups) {
    if (!pays(group, spread)) {
      rest.insert(rest.end(), group.begin(), group.end());
      continue;
    }
    run_unasked(conditions_[group.front().condition]);
    for (Task& task : group) task.has_unasked = true;
    run_tasks(group, spread);
  }
  run_tasks(rest, spread);
}

void GraphScores::score(std::span<const search::Query> queries, const Consume& consume) {
  const auto relation_of = [&](std::size_t i) { return model_->condition_of(queries[i].relation.value()); };
  std::vector<std::size_t> order(queries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return relation_of(a) < relation_of(b); });
  std::vector<Task> tasks;
  const Spread spread{queries, consume};
  for (const std::size_t i : order) {
    const bool is_new = tasks.empty() || relation_of(tasks.back().query) != relation_of(i);
    if (is_new && !tasks.empty() && tasks.back().condition + 1 == conditions_.size()) {
      run_conditions(tasks, spread);
      tasks.clear();
    }
    const std::size_t last = tasks.empty() ? 0 : tasks.back().condition;
    tasks.push_back({i, tasks.empty() || !is_new ? last : last + 1, false});
  }
  if (!tasks.empty()) run_conditions(tasks, spread);
}

}  // namespace tessera::propagation
